"""The circle through scale sets: GitHub, nodes that may listen, engines, and what runs in them."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx
import trio

from runnerhub.actors.github.desk import Desk, GitHubOptions
from runnerhub.actors.github.family import build_github
from runnerhub.actors.github.registrar import Registrar
from runnerhub.actors.github.scale_set import build_scale_sets
from runnerhub.actors.github.scale_set_desk import ScaleSetDesk, ScaleSetOptions, ScaleSetState
from runnerhub.actors.github.scale_set_runners import ScaleSetRunners
from runnerhub.actors.hub import CoreHub
from runnerhub.actors.tree import build_tree
from runnerhub.adapters.github import HttpTransport
from runnerhub.adapters.github.scale_sets import HttpScaleSets
from runnerhub.model.job import Network
from runnerhub.model.pool import Pool
from runnerhub.model.scale_set import Bounds
from runnerhub.ports.github import Credential
from runnerhub.runtime import Root
from runnerhub.sim.counters import MemoryCounters
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.github.faults import FaultPlan
from runnerhub.sim.github.orders import JobOrder, RunOrder
from runnerhub.sim.github.serving import TOKEN, SimGitHub, sim_github
from runnerhub.sim.github.things import Job
from runnerhub.sim.programs import running_programs
from runnerhub.sim.runner.inprocess import JIT_VARIABLE, Mood, as_program
from runnerhub.sim.scale_sets import MemoryScaleSets
from runnerhub.sim.webhooks import MemoryGitHubJobs
from tests.simulation.cluster import IMAGE, Cluster

POOL = Pool("big", frozenset({"linux"}), image=IMAGE, network=Network.EGRESS)


@dataclass
class Node:
    """One life of a node."""

    desk: ScaleSetDesk
    root: Root
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def state(self) -> ScaleSetState:
        return self.desk.states["big"]

    def kill(self) -> None:
        self.scope.cancel()


class ScaleCircle:
    """What outlives a node's life."""

    def __init__(self, github: SimGitHub, cluster: Cluster, bounds: Bounds, seed: int) -> None:
        self.github = github
        self.cluster = cluster
        self.bounds = bounds
        self.rng = random.Random(seed)  # noqa: S311 - a simulation, no secret
        self.ledger = MemoryScaleSets(self.clock)
        self.jobs_ledger = MemoryGitHubJobs(self.clock)
        self.counters = MemoryCounters()
        self.most_runners = 0
        self.endings = ["", "", "", "", "fail"]  # see `pretending`
        self.moods = [Mood.WELL]

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.github.state.core.now(), UTC)

    @asynccontextmanager
    async def life(self, name: str = "node-1") -> AsyncIterator[Node]:
        """Run the whole tree of a node for the block."""
        options = GitHubOptions(name, credentials=(Credential("pat", token=TOKEN),))
        desk = Desk(options, wall=self.github.state.core.now)
        desk.transport = HttpTransport(self.github.url, transport=self.github.transport)
        desk.counters = self.counters
        family = build_github(desk)
        world = await self.cluster.new_world()
        world.settings = replace(world.settings, node_id=name)
        world.now_ms = lambda: int(self.github.state.core.now() * 1000)
        world.github, world.github_jobs = family.gateway, self.jobs_ledger
        listeners = ScaleSetDesk(
            world, [ScaleSetOptions("big", "/repos/acme/web", POOL, self.bounds)]
        )
        listeners.ledger = self.ledger
        listeners.service = service = HttpScaleSets(
            family.gateway, self.github.url, transport=self.github.transport
        )
        world.runners = Registrar(family.gateway, ScaleSetRunners(listeners))
        doors = [build_scale_sets(listeners).spec()]
        root = Root(build_tree(world, [family.supervisor.spec()], doors).spec())
        CoreHub(world, root)
        node = Node(listeners, root)

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            with node.scope:
                await root.run(task_status=task_status)

        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            yield node
            if not node.scope.cancel_called:
                root.stop()
        await service.close()

    def order(self, count: int = 1) -> list[int]:
        """Queue jobs of up to 40 s; return them."""
        queued = []
        for _ in range(count):
            name = f"build {self.rng.uniform(1, 40):.1f}s {self.rng.choice(self.endings)}"
            order = RunOrder(repository="acme/web", jobs=[JobOrder(name=name, labels=["linux"])])
            [run] = self.github.state.work.queue(order)
            queued += [job.id for job in run.jobs]
        return queued

    def jobs(self) -> list[Job]:
        return list(self.github.state.work.jobs.values())

    def runners(self) -> list[str]:
        return [runner.name for runner in self.github.state.fleet]

    async def until_over(self, within: float = 3600.0) -> None:
        """Wait until every workflow job is completed, and every sandbox and runner is gone."""
        with trio.move_on_after(within):
            while any(job.status != "completed" for job in self.jobs()):
                await trio.sleep(1)
            while self.runners() or any(await self.cluster.ledger.open_runners()):
                await trio.sleep(1)
            return
        waiting = [(j.id, j.status, j.runner_name) for j in self.jobs() if j.status != "completed"]
        raise AssertionError(f"not within {within} s: {waiting[:9]} {self.runners()[:9]}")

    async def watch(self) -> None:
        """Note how many runners there are at most."""
        while True:
            self.most_runners = max(self.most_runners, len(self.runners()))
            await trio.sleep(0.5)


@asynccontextmanager
async def scale_circle(
    plan: FaultPlan | None = None,
    *,
    hosts: int = 2,
    slots: int = 25,
    bounds: Bounds | None = None,
    seed: int = 0,
) -> AsyncIterator[ScaleCircle]:
    """Run GitHub, and what runs in the engines' containers, for the block."""
    async with (
        sim_github(plan=plan, seed=seed) as github,
        httpx.AsyncClient(transport=github.transport) as client,
    ):
        github.state.places.add_repository("acme/web")
        github.state.scale_sets.bom = True
        cluster = Cluster(hosts=hosts, slots=slots, pools=(POOL,))
        made = ScaleCircle(github, cluster, bounds or Bounds(0, 100), seed)
        cluster.ledger._clock = made.clock
        runner = as_program(client, mood=lambda _: made.rng.choice(made.moods))
        async with (
            running_programs(JIT_VARIABLE, runner) as programs,
            trio.open_nursery() as nursery,
        ):
            cluster.engines = {name: SimEngine(name, programs=programs) for name in cluster.engines}
            nursery.start_soon(made.watch)
            yield made
            nursery.cancel_scope.cancel()
