"""Commands run in a container beside its own process."""

import secrets
from dataclasses import dataclass, field

import trio

from runnerhub.model.logs import LogEntry
from runnerhub.sim.channel import Pulled
from runnerhub.sim.container import SimContainer
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.process import SimProcess
from runnerhub.sim.refusals import BadParameter, NotFound, WrongState
from runnerhub.sim.script import UnknownProgram
from runnerhub.sim.stdin import begin
from runnerhub.sim.wire.calls import Answer, Call
from runnerhub.sim.wire.streams import copy, frame

_KEPT_SECONDS = 300.0
_NOT_FOUND = 126


@dataclass(slots=True, kw_only=True)
class SimExec(SimProcess):
    """A command in a container."""

    exec_id: str
    container: SimContainer
    command: list[str]
    tty: bool
    stdin: bool
    failed: bool = False
    made_at: float = field(default=0.0)


class Execs:
    """The commands of one engine; those that ended long ago are forgotten."""

    def __init__(self, engine: SimEngine) -> None:
        self._engine = engine
        self._known: dict[str, SimExec] = {}

    def _existing(self, name: str) -> SimExec:
        found = self._known.get(name)
        if found is None:
            raise NotFound(f"No such exec instance: {name}")
        return found

    def _forget(self) -> None:
        now = self._engine.world.clock.now()
        for key, each in list(self._known.items()):
            if each.made_at + _KEPT_SECONDS > now:
                break
            if not each.is_running:
                del self._known[key]

    async def create(self, call: Call) -> Answer:
        """POST /containers/NAME/exec."""
        await self._engine.begin("exec_create")
        self._forget()
        world, body = self._engine.world, call.json()
        container = world.existing(call.name)
        if not container.is_running:
            raise WrongState(f"Container {container.container_id} is not running")
        made = SimExec(
            clock=world.clock,
            exec_id=secrets.token_hex(32),
            container=container,
            command=[str(word) for word in body.get("Cmd") or ()],
            tty=bool(body.get("Tty")),
            stdin=bool(body.get("AttachStdin")),
            made_at=world.clock.now(),
        )
        self._known[made.exec_id] = made
        return Answer(201, {"Id": made.exec_id})

    async def start(self, call: Call) -> Answer | None:
        """POST /exec/ID/start: the connection becomes the command's output."""
        await self._engine.begin("exec_start")
        world, made = self._engine.world, self._existing(call.name)
        container, detach = made.container, call.json().get("Detach")
        if not container.is_running:
            raise WrongState(f"Container {container.container_id} is not running")
        try:
            does, reader = begin(made.command, stdin=made.stdin)
        except UnknownProgram as error:
            made.failed = True
            if detach:
                raise BadParameter(f"OCI runtime exec failed: {error}") from None
            await call.hijack()
            words = f"OCI runtime exec failed: {error}: unknown\r\n".encode()
            await call.connection.send(frame(tty=made.tty)(LogEntry("stdout", "", words)))
            return None
        made.start(does, reader, world.clock.now())
        world.emit(container, f"exec_start: {' '.join(made.command)}", {"execID": made.exec_id})
        if detach:
            return Answer(200, None)
        await self._show(call, made)
        code = str(made.exit_code)
        world.emit(container, "exec_die", {"execID": made.exec_id, "exitCode": code})
        return None

    async def _show(self, call: Call, made: SimExec) -> None:
        world, container, number = self._engine.world, made.container, 0
        generation = world.generation

        def take() -> LogEntry | float:
            nonlocal number
            world.check(generation)
            if container.has_ended:
                made.kill()
            entry = made.take(number)
            if entry is None:
                raise trio.EndOfChannel
            if isinstance(entry, float):
                return min(entry, container.ends_at)
            number += 1
            return entry

        async def read() -> None:
            while made.stdin and (data := await call.connection.receive()):
                made.feed(data)
            made.close_stdin()

        await call.hijack()
        async with call.watched(read):
            pulled = Pulled(take, made.changes)
            await copy(pulled, frame(tty=made.tty), call.connection.send)

    async def inspect(self, call: Call) -> Answer:
        """GET /exec/ID/json."""
        await self._engine.begin("exec_inspect")
        made = self._existing(call.name)
        code = _NOT_FOUND if made.failed else made.exit_code if made.has_ended else None
        words = made.command or [""]
        process = {"tty": made.tty, "entrypoint": words[0], "arguments": words[1:]}
        return Answer(
            200,
            {
                "ID": made.exec_id,
                "Running": made.is_running,
                "ExitCode": code,
                "ProcessConfig": {**process, "privileged": False},
                "OpenStdin": made.stdin,
                "OpenStderr": True,
                "OpenStdout": True,
                "CanRemove": False,
                "ContainerID": made.container.container_id,
                "DetachKeys": "",
                "Pid": 0,
            },
        )

    async def resize(self, call: Call) -> Answer:
        """POST /exec/ID/resize."""
        self._existing(call.name)
        await trio.lowlevel.checkpoint()
        return Answer(200, None)
