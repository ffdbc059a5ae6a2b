"""The circle through scale sets: GitHub, nodes that may listen, engines, and what runs in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import trio

from runnerhub.actors.github.registrar import Registrar
from runnerhub.actors.github.scale_set import build_scale_sets
from runnerhub.actors.github.scale_set_desk import ScaleSetDesk, ScaleSetOptions, ScaleSetState
from runnerhub.actors.github.scale_set_runners import ScaleSetRunners
from runnerhub.actors.tree import build_tree
from runnerhub.adapters.github.scale_sets import HttpScaleSets
from runnerhub.model.job import Network
from runnerhub.model.pool import Pool
from runnerhub.model.scale_set import Bounds
from runnerhub.ports.github import Credential
from runnerhub.runtime import Root
from runnerhub.sim.github.faults import FaultPlan
from runnerhub.sim.github.orders import JobOrder, RunOrder
from runnerhub.sim.github.serving import TOKEN, SimGitHub, sim_github
from runnerhub.sim.programs import running_programs
from runnerhub.sim.runner.inprocess import JIT_VARIABLE, Mood, as_program
from runnerhub.sim.scale_sets import MemoryScaleSets
from tests.simulation.cluster import IMAGE, Cluster, Life, living
from tests.simulation.ring import Ring

POOL = Pool("big", frozenset({"linux"}), image=IMAGE, network=Network.EGRESS)


@dataclass
class Node:
    """One life of a node that may listen."""

    desk: ScaleSetDesk
    life: Life

    @property
    def state(self) -> ScaleSetState:
        return self.desk.states["big"]

    def kill(self) -> None:
        self.life.kill()


class ScaleCircle(Ring):
    """GitHub tells through a scale set what is queued."""

    def __init__(self, github: SimGitHub, cluster: Cluster, bounds: Bounds, seed: int) -> None:
        super().__init__(github, cluster, Credential("pat", token=TOKEN), seed)
        self.bounds = bounds
        self.ledger = MemoryScaleSets(self.clock)
        self.most_runners = 0
        self.endings = ["", "", "", "", "fail"]  # see `pretending`
        self.moods = [Mood.WELL]

    @asynccontextmanager
    async def life(self, name: str = "node-1") -> AsyncIterator[Node]:
        """Run the whole tree of a node for the block."""
        world, family = await self.new_world(name)
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
        async with living(world, root) as life:
            yield Node(listeners, life)
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
        runner = as_program(client, mood=lambda _: made.rng.choice(made.moods))
        async with (
            running_programs(JIT_VARIABLE, runner) as programs,
            trio.open_nursery() as nursery,
        ):
            for engine in cluster.engines.values():
                engine.programs = programs
            nursery.start_soon(made.watch)
            yield made
            nursery.cancel_scope.cancel()
