"""A simulated GitHub beside a node: its jobs come at given times, its runners are noted."""

import random
import secrets
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import trio

from bench.whole.node import WholeNode, a_whole_node
from runnerhub.sim.clock import SimClock
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.github.orders import JobOrder, RunOrder
from runnerhub.sim.github.serving import SimGitHub, serve_sim_github
from runnerhub.sim.github.things import COMPLETED, Job, Runner
from runnerhub.sim.latency import MeasuredLatency, shipped_measurements
from runnerhub.sim.programs import running_programs
from runnerhub.sim.runner.inprocess import JIT_VARIABLE, as_program
from runnerhub.sim.wire.bodies import image_name
from runnerhub.sim.wire.server import serving

REPOSITORY = "acme/web"
LABEL = "linux"
SEED = 7


@dataclass(slots=True)
class Watched:
    """A simulated GitHub, and when its runners were registered and came online.

    Attributes:
        registered: when those that came online had been registered, by name, in Unix seconds.
        online: when they said their first word, as GitHub hears it.
    """

    sim: SimGitHub
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    registered: dict[str, float] = field(default_factory=dict)
    online: dict[str, float] = field(default_factory=dict)

    def config(self, image: str, most: int) -> str:
        """Return a node's configuration: one pool, whose runners are of this GitHub."""
        return f"""
            [github]
            api_url = "{self.sim.url}"
            token = "{self.sim.token}"
            webhook_secrets = ["{self.secret}"]
            [[pools]]
            name = "linux"
            labels = ["{LABEL}"]
            image = "{image}"
            scope = "repository"
            max_runners = {most}
            memory_mb = 256
            pids = 256
        """

    def tell(self, node: WholeNode) -> None:
        """Send webhooks to a node from now on."""
        url = f"http://{node.host}:{node.port}/api/webhooks/github"
        self.sim.state.hooks.add("org", "acme", url, secret=self.secret)

    def watch(self) -> None:
        """Note runners from now on."""
        fleet = self.sim.state.fleet
        connect = fleet.connect

        def noting(number: int, secret: str) -> Runner:
            runner = connect(number, secret)
            self.registered[runner.name] = runner.created_at
            self.online.setdefault(runner.name, runner.seen_at)
            return runner

        fleet.connect = noting  # type: ignore[method-assign]

    async def arrive(self, count: int, rate: float, milliseconds: int) -> list[Job]:
        """Queue jobs at random times, whatever becomes of those before; return them."""
        rng, due = random.Random(SEED), trio.current_time()  # noqa: S311 - no secret
        jobs: list[Job] = []
        for _ in range(count):
            due += rng.expovariate(rate)
            await trio.sleep_until(due)
            job = JobOrder(name=f"build {milliseconds}ms", labels=["self-hosted", LABEL])
            (run,) = self.sim.state.work.queue(RunOrder(repository=REPOSITORY, jobs=[job]))
            jobs += run.jobs
        return jobs


@asynccontextmanager
async def a_github(address: str = "127.0.0.1") -> AsyncIterator[Watched]:
    """Serve a simulated GitHub with one repository for the block."""
    async with serve_sim_github(address) as sim:
        sim.state.places.add_repository(REPOSITORY)
        watched = Watched(sim)
        watched.watch()
        yield watched


@asynccontextmanager
async def hosts_of_runners(
    sim: SimGitHub, count: int, folder: Path, image: str, *, measured: bool
) -> AsyncIterator[list[str]]:
    """Serve simulated hosts whose containers are runners; yields their URLs.

    They share this process, and so its processor, with the simulated GitHub.
    """
    clock = SimClock(datetime.now(UTC))
    found = shipped_measurements() if measured else None
    async with (
        httpx.AsyncClient(transport=sim.transport) as client,
        running_programs(JIT_VARIABLE, as_program(client)) as programs,
    ):

        def make(name: str) -> SimEngine:
            return SimEngine(
                name,
                clock=clock,
                images=[image_name(image)],
                latency=MeasuredLatency(found, name) if found else None,
                programs=programs,
            )

        async with serving(make, count, folder) as urls:
            yield list(urls)


@asynccontextmanager
async def a_node_beside(arguments: Sequence[str], config: str) -> AsyncIterator[WholeNode]:
    """Run `a_whole_node` for the block, while this loop serves what it needs."""
    over, made, is_ready = threading.Event(), list[WholeNode](), trio.Event()

    def live() -> None:
        # One thread for all its life: the child's death signal comes when that thread ends.
        with a_whole_node(arguments, config) as node:
            made.append(node)
            trio.from_thread.run_sync(is_ready.set)
            over.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, live)
        await is_ready.wait()
        try:
            yield made[0]
        finally:
            over.set()


async def until_over(jobs: list[Job], seconds: float) -> None:
    """Wait until jobs are over.

    Raises:
        RuntimeError: that takes longer, or one was no success at its first runner.
    """
    with trio.move_on_after(seconds):
        while not all(job.status == COMPLETED for job in jobs):  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.05)
    for job in jobs:
        if job.conclusion != "success" or len(job.takers) != 1:
            raise RuntimeError(f"job {job.id}: {job.status} {job.conclusion}, by {job.takers}")
