"""The whole circle in one process: GitHub, webhooks, the tree, engines, and what runs in them."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import trio
from prometheus_client import CollectorRegistry

from runnerhub.actors.github.desk import Desk, GitHubOptions
from runnerhub.actors.github.family import build_github
from runnerhub.actors.github.fleet import FleetActor
from runnerhub.actors.github.registrar import Registrar
from runnerhub.actors.hub import CoreHub
from runnerhub.actors.tree import build_tree
from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.actors.webhooks.family import build_webhooks
from runnerhub.actors.webhooks.intake import Reception
from runnerhub.adapters.github import HttpTransport
from runnerhub.api import create_app
from runnerhub.api.auth import Tokens
from runnerhub.config import GitHubSettings, Settings
from runnerhub.model.job import Network
from runnerhub.model.pool import Pool
from runnerhub.runtime import ChildSpec, Root
from runnerhub.sim.github.faults import FaultPlan
from runnerhub.sim.github.things import Job
from runnerhub.sim.programs import running_programs
from runnerhub.sim.runner.inprocess import JIT_VARIABLE, Mood, as_program
from tests.simulation.cluster import IMAGE, Cluster, Life
from tests.simulation.hooks import SECRET, Place, place

POOL = Pool(
    "linux",
    frozenset({"linux"}),
    image=IMAGE,
    network=Network.EGRESS,
    scope="repository",
    max_runners=200,
)


class Circle:
    """GitHub with a repository, and a cluster that serves it."""

    def __init__(self, at: Place, cluster: Cluster, seed: int) -> None:
        self.at = at
        self.github = at.github
        self.cluster = cluster
        self.rng = random.Random(seed)  # noqa: S311 - what a test chooses

    @asynccontextmanager
    async def life(self, name: str = "node-1") -> AsyncIterator[Life]:
        """Run the whole tree of a node for the block."""
        at = self.at
        options = GitHubOptions(name, credentials=(at.credential,))
        desk = Desk(options, wall=self.github.state.core.now)
        desk.transport = HttpTransport(self.github.url, transport=self.github.transport)
        desk.counters = at.counters
        family = build_github(desk)
        world = await self.cluster.new_world()
        world.settings = replace(world.settings, node_id=name)
        world.now_ms = lambda: int(self.github.state.core.now() * 1000)
        world.github, world.github_jobs = family.gateway, at.jobs
        world.runners = Registrar(family.gateway)
        hooks = WebhookDesk(world, family.gateway, options.credentials, now=at.now)
        hooks.deliveries, hooks.jobs = at.deliveries, at.jobs
        fleet = ChildSpec("fleet", FleetActor(world, family.gateway).run, kind="fleet")
        doors = [build_webhooks(hooks, 60.0).spec(), fleet]
        root = Root(build_tree(world, [family.supervisor.spec()], doors).spec())
        scope = trio.CancelScope()
        hub = CoreHub(world, root)
        settings = Settings(github=GitHubSettings(webhook_secrets=(SECRET,)))

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            with scope:
                await root.run(task_status=task_status)

        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            at.wire.app = create_app(
                hub, settings, Tokens("x" * 32), CollectorRegistry(), Reception(hooks)
            )
            yield Life(root, world, hub, scope)
            at.wire.app = None
            if not scope.cancel_called:
                root.stop()

    def order(self, name: str = "build") -> int:
        """Queue a workflow job whose name says what becomes of it; return its id."""
        (job,) = self.at.order(jobs=[{"name": name, "labels": ["self-hosted", "linux"]}])
        return job

    def jobs(self) -> list[Job]:
        """Return every workflow job at GitHub."""
        return list(self.github.state.work.jobs.values())

    async def until_completed(self, within: float = 3600.0) -> None:
        """Wait until every workflow job is completed, and every sandbox and runner is gone."""
        with trio.move_on_after(within):
            while any(job.status != "completed" for job in self.jobs()):
                await trio.sleep(1)
            while self.runners() or any(await self.cluster.ledger.open_runners()):
                await trio.sleep(1)
            return
        waiting = [(j.id, j.status, j.runner_name) for j in self.jobs() if j.status != "completed"]
        raise AssertionError(f"not within {within} s: {waiting[:9]} {self.runners()[:9]}")

    async def runners_started(self) -> int:
        """Count the jobs of ours that became, or were to become, runners."""
        page = await self.cluster.ledger.jobs(limit=1000)
        return sum(job.spec.execution.runner is not None for job in page.jobs)

    def runners(self) -> list[str]:
        """Return the names of all runners that GitHub knows."""
        return [runner.name for runner in self.github.state.fleet]


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
        cluster.ledger._clock = at.now
        yield Circle(at, cluster, seed)
