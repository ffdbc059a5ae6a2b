"""A cluster whose ports are simulated. Its stores and engines outlive any life of the tree."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import trio

from runnerhub.actors.hub import CoreHub
from runnerhub.actors.tree import build_tree
from runnerhub.actors.world import CoreSettings, HostState, World
from runnerhub.model.job import Execution, Job, JobSpec, Phase
from runnerhub.model.subnets import SubnetPool
from runnerhub.runtime import Root
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.ledger import MemoryLedger
from runnerhub.sim.queue import MemoryQueue
from runnerhub.sim.runners import MemoryRunners

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
IMAGE = "busybox:1"


def now() -> datetime:
    return EPOCH + timedelta(seconds=trio.current_time())


@dataclass
class Life:
    """One life of the tree."""

    root: Root
    world: World
    hub: CoreHub
    scope: trio.CancelScope

    def kill(self) -> None:
        """End it as kill -9 would: nobody is asked, nothing is written."""
        self.scope.cancel()


@asynccontextmanager
async def living(world: World, root: Root) -> AsyncIterator[Life]:
    """Run a tree for the block; end it in order behind it, unless it was killed."""
    scope = trio.CancelScope()

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        with scope:
            await root.run(task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        yield Life(root, world, CoreHub(world, root), scope)
        if not scope.cancel_called:
            root.stop()


class Cluster:
    """Simulated stores and engines."""

    def __init__(
        self,
        hosts: int = 1,
        slots: int = 4,
        holders: int = 0,
        runners: MemoryRunners | None = None,
        **settings: Any,
    ) -> None:
        self.engines = {f"h{n}": SimEngine(f"h{n}") for n in range(1, hosts + 1)}
        self.slots = slots
        self.holders = holders
        self.runners = runners
        self.ledger = MemoryLedger(now)
        self.queue = MemoryQueue(trio.current_time)
        self.settings = replace(CoreSettings(node_id="node-1"), **settings)

    async def new_world(self) -> World:
        world = World(
            self.settings,
            {
                name: HostState(
                    name,
                    f"sim://{name}",
                    engine,
                    self.slots,
                    frozenset({"linux"}),
                    holders=self.holders,
                )
                for name, engine in self.engines.items()
            },
            SubnetPool("10.231.0.0/16"),
            now_ms=lambda: int(now().timestamp() * 1000),
        )
        world.ledger, world.queue = self.ledger, self.queue
        world.runners = self.runners
        world.cluster = await self.ledger.cluster_id()
        return world

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Life]:
        """Run the tree for the block; end it in order behind it, unless it was killed."""
        world = await self.new_world()
        async with living(world, Root(build_tree(world).spec())) as life:
            yield life

    async def finished(self, life: Life, *job_ids: str, within: float = 600.0) -> list[Job]:
        """Wait until these jobs are FINISHED; fail when they are not in time."""
        del life
        with trio.move_on_after(within):
            while True:
                jobs = [await self.job(job_id) for job_id in job_ids]
                if all(job.phase is Phase.FINISHED for job in jobs):
                    return jobs
                await trio.sleep(0.05)
        waiting = [job for job_id in job_ids if (job := await self.job(job_id)).phase != "finished"]
        raise AssertionError(f"not finished within {within} s: {waiting}")

    async def job(self, job_id: str) -> Job:
        job = await self.ledger.job(job_id)
        assert job is not None
        return job

    def leftovers(self) -> dict[str, Any]:
        return {name: left for name, e in self.engines.items() if (left := e.leftovers())}

    async def conclusions_written(self, job_id: str) -> int:
        return sum(event.kind == "concluded" for event in await self.ledger.events(job_id))


def spec(
    number: int | str = 1, script: str = "echo hello; sleep 1; exit 0", **more: Any
) -> JobSpec:
    execution = more.pop("execution", None) or Execution(
        more.pop("image", IMAGE), ("sh", "-c", script)
    )
    return JobSpec(f"job-{number}", more.pop("repository", "acme/web"), execution, **more)
