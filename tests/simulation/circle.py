"""The whole circle in one process: GitHub, webhooks, the tree, engines, and what runs in them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from prometheus_client import CollectorRegistry

from runnerhub.actors.github.fleet import FleetActor
from runnerhub.actors.github.registrar import Registrar
from runnerhub.actors.tree import build_tree
from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.actors.webhooks.family import build_webhooks
from runnerhub.actors.webhooks.intake import Reception
from runnerhub.api.app import create_app
from runnerhub.api.auth import Tokens
from runnerhub.config import GitHubSettings, Settings
from runnerhub.model.job import Network
from runnerhub.model.pool import Pool
from runnerhub.runtime import ChildSpec, Root
from runnerhub.sim.github.faults import FaultPlan
from runnerhub.sim.programs import running_programs
from runnerhub.sim.runner.inprocess import JIT_VARIABLE, Mood, as_program
from tests.simulation.cluster import IMAGE, Cluster, Life, living
from tests.simulation.hooks import SECRET, Place, place
from tests.simulation.ring import Ring

POOL = Pool(
    "linux",
    frozenset({"linux"}),
    image=IMAGE,
    network=Network.EGRESS,
    scope="repository",
    max_runners=200,
)


class Circle(Ring):
    """GitHub tells by webhook what is queued."""

    def __init__(self, at: Place, cluster: Cluster, seed: int) -> None:
        super().__init__(at.github, cluster, at.credential, seed)
        self.at = at

    @asynccontextmanager
    async def life(self, name: str = "node-1") -> AsyncIterator[Life]:
        """Run the whole tree of a node for the block."""
        world, family = await self.new_world(name)
        world.runners = Registrar(family.gateway)
        hooks = WebhookDesk(world, family.gateway, (self.credential,), now=self.clock)
        hooks.deliveries, hooks.jobs = self.at.deliveries, self.github_jobs
        fleet = ChildSpec("fleet", FleetActor(world, family.gateway).run, kind="fleet")
        doors = [build_webhooks(hooks, 60.0).spec(), fleet]
        root = Root(build_tree(world, [family.supervisor.spec()], doors).spec())
        settings = Settings(github=GitHubSettings(webhook_secrets=(SECRET,)))
        async with living(world, root) as life:
            self.at.wire.app = create_app(
                life.hub, settings, Tokens("x" * 32), CollectorRegistry(), Reception(hooks)
            )
            yield life
            self.at.wire.app = None

    def order(self, name: str = "build") -> int:
        """Queue a workflow job whose name says what becomes of it; return its id."""
        (job,) = self.at.order(jobs=[{"name": name, "labels": ["self-hosted", "linux"]}])
        return job


@asynccontextmanager
async def circle(
    plan: FaultPlan | None = None,
    *,
    hosts: int = 2,
    slots: int = 50,
    seed: int = 0,
    mood: Callable[[str], Mood] = lambda _: Mood.WELL,
) -> AsyncIterator[Circle]:
    """Run GitHub, and what runs in the engines' containers, for the block.

    Args:
        plan: what goes wrong at GitHub.
        hosts: how many.
        slots: of each.
        seed: of the test's own choices.
        mood: what a runner of a name does before it has a job.
    """
    async with (
        place(plan) as at,
        httpx.AsyncClient(transport=at.github.transport) as client,
        running_programs(JIT_VARIABLE, as_program(client, seconds=5.0, mood=mood)) as programs,
    ):
        cluster = Cluster(hosts=hosts, slots=slots, pools=(POOL,))
        for engine in cluster.engines.values():
            engine.programs = programs
        yield Circle(at, cluster, seed)
