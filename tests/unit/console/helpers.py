"""A small tree, a hub that knows two hosts and one job, and a guest who speaks by hand."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import trio
from trio.testing import memory_stream_pair

from runnerhub.console.desk import Desk
from runnerhub.console.session import Session
from runnerhub.model.job import Execution, Job, JobEvent, JobSpec, Phase
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.ports.hub import HostStatus, Hub
from tests.unit.runtime.helpers import Tree

JOB = "job_1"


class Ledger:
    """Knows one job, and its events."""

    def __init__(self) -> None:
        spec = JobSpec("e-1", "acme/web", Execution("i", ("true",)))
        self.known = Job(JOB, spec, Phase.RUNNING)
        self.history: list[JobEvent] = []
        self.away = False

    def note(self, kind: str, phase: Phase, **data: object) -> None:
        """Move the job on."""
        seq = len(self.history) + 1
        self.history.append(JobEvent(JOB, seq, datetime(2026, 1, 1, tzinfo=UTC), kind, 1, data))
        self.known = replace(self.known, phase=phase)

    async def job(self, job_id: str) -> Job | None:
        """Return the job."""
        if self.away:
            raise LedgerUnavailable("connection refused")
        return self.known if job_id == JOB else None

    async def events(self, job_id: str) -> list[JobEvent]:
        """Return its events."""
        assert job_id == JOB
        return list(self.history)


class TwoHosts:
    """The hub's part that the console uses."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._hosts = {n: HostStatus(n, f"sim://{n}", "ready", 4, 4, []) for n in ("h1", "h2")}

    def hosts(self) -> list[HostStatus]:
        """Return both."""
        return list(self._hosts.values())

    def explain(self, job: Job) -> str:
        """Say where the job is."""
        return f"it is {job.phase}"

    async def set_drained(self, host: str, *, drained: bool) -> bool:
        """Drain one."""
        if host in self._hosts:
            state = "draining" if drained else "ready"
            self._hosts[host] = replace(self._hosts[host], state=state)
        return host in self._hosts


@dataclass
class Guest:
    """Speaks the protocol, line by line."""

    stream: trio.abc.Stream
    hub: TwoHosts
    greeting: dict[str, Any] = field(default_factory=dict)
    _begun: bytearray = field(default_factory=bytearray)
    _last: int = 0

    async def line(self) -> dict[str, Any]:
        """Return the next line; fail at the end of the stream."""
        while b"\n" not in self._begun:
            data = await self.stream.receive_some()
            assert data, "the console has let the guest go"
            self._begun += data
        line, _, self._begun = self._begun.partition(b"\n")
        return cast("dict[str, Any]", json.loads(line))

    async def say(self, text: bytes) -> None:
        """Send a line as it is."""
        await self.stream.send_all(text + b"\n")

    async def begin(self, command: str, **args: Any) -> int:
        """Send a request; return its id."""
        self._last += 1
        message = {"v": 1, "id": self._last, "command": command, "args": args}
        await self.say(json.dumps(message).encode())
        return self._last

    async def call(self, command: str, **args: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Send a request; return the parts of the answer and the result."""
        number = await self.begin(command, **args)
        parts = []
        while "part" in (message := await self.line()):
            assert message["id"] == number
            parts.append(message["part"])
        assert message["ok"], message
        return parts, message["result"]

    async def refused(self, command: str, **args: Any) -> str:
        """Send a request that will be refused; return why."""
        await self.begin(command, **args)
        while "part" in (message := await self.line()):
            pass
        assert message["ok"] is False
        assert "\n" not in message["error"]
        return str(message["error"])


def desk_of(tree: Tree, hub: TwoHosts) -> Desk:
    return Desk(
        tree.root, cast("Hub", hub), lambda job_id: f"job:{job_id}", greeting={"node": "n1"}
    )


async def serve(session: Session, stream: trio.abc.AsyncResource) -> None:
    async with stream:
        await session.run()


@asynccontextmanager
async def a_guest(tree: Tree) -> AsyncIterator[Guest]:
    """Attach a guest to a tree; it leaves at the end, and its session must end by itself."""
    here, there = memory_stream_pair()
    hub = TwoHosts()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, Session(desk_of(tree, hub), there), there)
        guest = Guest(here, hub)
        guest.greeting = await guest.line()
        yield guest
        await here.aclose()
