"""The whole circle in one process: GitHub, webhooks, the tree, engines, and what runs in them."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import trio
from prometheus_client import CollectorRegistry

from runnerhub.actors.github.desk import Desk, GitHubOptions
from runnerhub.actors.github.family import build_github
from runnerhub.actors.github.fleet import FleetActor
from runnerhub.actors.github.registrar import Registrar
from runnerhub.actors.hub import CoreHub
from runnerhub.actors.registration import CONFIG_VARIABLE
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
from runnerhub.ports.engine import ContainerSpec
from runnerhub.runtime import ChildSpec, Root
from runnerhub.sim.container import SimContainer
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.github.faults import FaultPlan
from runnerhub.sim.github.serving import SimGitHub
from runnerhub.sim.github.things import Job
from tests.simulation.cluster import EPOCH, IMAGE, Cluster, Life
from tests.simulation.hooks import SECRET, Place, place

POOL = Pool(
    "linux",
    frozenset({"linux"}),
    image=IMAGE,
    network=Network.EGRESS,
    scope="repository",
    max_runners=200,
)
TICK = 0.25


class Circle:
    """GitHub with a repository, and a cluster that serves it."""

    def __init__(self, at: Place, cluster: Cluster, seed: int) -> None:
        self.at = at
        self.github = at.github
        self.cluster = cluster
        self.rng = random.Random(seed)  # noqa: S311 - how long jobs take

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

    def runners(self) -> list[str]:
        """Return the names of all runners that GitHub knows."""
        return [runner.name for runner in self.github.state.fleet]


@asynccontextmanager
async def circle(
    plan: FaultPlan | None = None, *, hosts: int = 2, slots: int = 50, seed: int = 0
) -> AsyncIterator[Circle]:
    """Run GitHub, and what runs in the engines' containers, for the block."""
    async with place(plan) as at:
        cluster = Cluster(hosts=hosts, slots=slots, pools=(POOL,))
        github = at.github.state.core

        def clock() -> datetime:
            return datetime.fromtimestamp(github.now(), UTC)

        assert EPOCH.tzinfo is not None
        cluster.ledger._clock = clock
        made = Circle(at, cluster, seed)
        async with trio.open_nursery() as nursery:
            for engine in cluster.engines.values():
                _let_runners_wait(engine)
                nursery.start_soon(_run_what_starts, engine, at.github, made.rng)
            yield made
            nursery.cancel_scope.cancel()


def _let_runners_wait(engine: SimEngine) -> None:
    create = engine.create_container

    async def create_container(spec: ContainerSpec) -> str:
        if CONFIG_VARIABLE in spec.env:
            spec = replace(spec, command=("sleep", "1000000"))
        return await create(spec)

    engine.create_container = create_container  # type: ignore[method-assign]


async def _run_what_starts(engine: SimEngine, github: SimGitHub, rng: random.Random) -> None:
    """Be the runner in each container that was given a configuration."""
    seen: set[str] = set()
    async with trio.open_nursery() as nursery:
        while True:
            for container in list(engine.world.containers.values()):
                if container.is_running and container.container_id not in seen:
                    seen.add(container.container_id)
                    nursery.start_soon(_be_runner, engine, container, github, rng)
            await trio.sleep(TICK)


async def _be_runner(
    engine: SimEngine, container: SimContainer, github: SimGitHub, rng: random.Random
) -> None:
    blob = container.spec.env[CONFIG_VARIABLE]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch, container, nursery.cancel_scope)
        with trio.CancelScope():
            await _run_one_job(blob, github, rng)
        nursery.cancel_scope.cancel()
    if container.is_running and container.timeline is not None and container.started_at is not None:
        container.timeline.seconds = container.clock.now() - container.started_at
        container.timeline.exit_code = 0
        engine.world.watch(container)


async def _watch(container: SimContainer, scope: trio.CancelScope) -> None:
    while container.is_running:
        await trio.sleep(TICK)
    scope.cancel()


async def _run_one_job(blob: str, github: SimGitHub, rng: random.Random) -> None:
    client = httpx.AsyncClient(transport=github.transport, base_url=github.url, timeout=70)
    async with client:
        made = await client.post("/_sim/runner/register", json={"encoded_jit_config": blob})
        if made.is_error:
            return
        client.headers["Authorization"] = f"Bearer {made.json()['session']}"
        while (taken := await client.get("/_sim/runner/message?wait=50")).status_code != 200:
            if taken.is_error:
                return
        job = taken.json()["job_id"]
        end_at = trio.current_time() + rng.uniform(1, 40)
        conclusion = "success" if rng.random() < 0.9 else "failure"
        while trio.current_time() < end_at:
            beat = await client.post(f"/_sim/runner/jobs/{job}/heartbeat?wait=5", json={})
            if beat.is_error:
                return
            if beat.json()["cancel"]:
                conclusion = "cancelled"
                break
        await client.post(f"/_sim/runner/jobs/{job}/finish", json={"conclusion": conclusion})
