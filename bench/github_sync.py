"""A simulated GitHub in which a few repositories are busy, and two ways to look at it."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import trio

from runnerhub.actors.github.desk import Desk, GitHubOptions
from runnerhub.actors.github.family import build_github
from runnerhub.actors.github.sync import Syncer
from runnerhub.actors.github.sync_desk import SyncDesk
from runnerhub.actors.github.sync_doubts import Doubts
from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.actors.webhooks.effects import Effects
from runnerhub.actors.world import CoreSettings, World
from runnerhub.adapters.github import HttpTransport
from runnerhub.model.subnets import SubnetPool
from runnerhub.model.webhook import route
from runnerhub.ports.errors import PortError
from runnerhub.ports.github import Credential
from runnerhub.runtime import Root
from runnerhub.sim.counters import MemoryCounters
from runnerhub.sim.github.orders import RunOrder
from runnerhub.sim.github.serving import TOKEN, SimGitHub, sim_github
from runnerhub.sim.github_state import MemoryGitHubState
from runnerhub.sim.webhooks import MemoryGitHubJobs

ROUND_SECONDS = 30.0
RUN_SECONDS = 97.0
SEED = 7
LISTS = ("workflows", "runners", "runs")


class Kept:
    """When each run was first seen completed, on trio's clock."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}

    def look(self, number: int, status: object) -> None:
        """Note a run as it was seen."""
        if status == "completed":
            self.seen.setdefault(number, trio.current_time())


class Hooks(httpx.AsyncBaseTransport):
    """Takes webhooks, and does what they ask at once."""

    def __init__(self) -> None:
        self.effects: Effects | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Take one."""
        asks = route(request.headers["x-github-event"], json.loads(await request.aread()))
        if asks is not None and self.effects is not None:
            await self.effects.workflow_jobs_changed([asks.job] if asks.job else [])
            await self.effects.keep_current([asks])
        return httpx.Response(202)


class Traffic:
    """Runs in the busy repositories, one after the other, at odd times.

    Args:
        repositories: how many there are.
        busy: in how many of them there are runs.
        every: seconds between two runs in each, on average.
    """

    def __init__(self, repositories: int, busy: int, every: float) -> None:
        self._names = [f"acme/r{number}" for number in range(repositories)]
        self._busy = self._names[:busy]
        self._every = every
        self._rng = random.Random(SEED)  # noqa: S311 - a simulation, no secret
        self._ended: dict[int, float] = {}
        self.hooks = Hooks()

    def completed(self, since: float, until: float) -> dict[int, float]:
        """Return the runs that ended in a time, and when."""
        return {number: at for number, at in self._ended.items() if since <= at < until}

    @asynccontextmanager
    async def going(self, *, webhooks: bool) -> AsyncIterator[SimGitHub]:
        """Let it go on for the block."""
        async with sim_github(webhooks=self.hooks) as sim, trio.open_nursery() as nursery:
            sim.state.limits.overrides[("*", "core")] = 10**9
            for name in self._names:
                sim.state.places.add_repository(name)
                sim.state.work.queue(RunOrder(repository=name))
            for run in sim.state.work.runs.values():
                sim.state.work.cancel(run)
            await trio.sleep(7200)  # long ago
            if webhooks:
                sim.state.hooks.add("org", "acme", "http://hub.test/", secret="s")  # noqa: S106
            for place, name in enumerate(self._busy):
                nursery.start_soon(self._run, sim, name, place * self._every / len(self._busy))
            yield sim
            nursery.cancel_scope.cancel()

    async def _run(self, sim: SimGitHub, name: str, after: float) -> None:
        await trio.sleep(after)
        while True:
            (run,) = sim.state.work.queue(RunOrder(repository=name))
            await trio.sleep(RUN_SECONDS)
            sim.state.work.cancel(run)
            self._ended[run.id] = trio.current_time()
            await trio.sleep(self._rng.uniform(0.5, 1.5) * max(1.0, self._every - RUN_SECONDS))


@asynccontextmanager
async def naive(sim: SimGitHub, kept: Kept, hooks: Hooks) -> AsyncIterator[None]:
    """Ask for every list of every repository each minute, and for the jobs of open runs."""
    del hooks  # it takes none
    headers = {"authorization": f"token {TOKEN}"}

    async def poll(client: httpx.AsyncClient) -> None:
        while True:
            began = trio.current_time()
            listed = (await client.get("/user/repos", params={"per_page": 100})).json()
            for name in [each["full_name"] for each in listed]:
                for what in LISTS:
                    path = f"/repos/{name}/actions/{what}"
                    found: dict[str, Any] = (await client.get(path)).json()
                    for run in found.get("workflow_runs", ()):
                        kept.look(run["id"], run["status"])
                        if run["status"] != "completed":
                            await client.get(f"{path}/{run['id']}/jobs")
            await trio.sleep(max(0.0, began + 60.0 - trio.current_time()))

    client = httpx.AsyncClient(transport=sim.transport, base_url=sim.url, headers=headers)
    async with client, trio.open_nursery() as nursery:
        nursery.start_soon(poll, client)
        yield
        nursery.cancel_scope.cancel()


class WatchedState(MemoryGitHubState):
    """Tells when it was told that a run is over."""

    def __init__(self, kept: Kept, *args: Any) -> None:  # noqa: ANN401 - as its base takes them
        super().__init__(*args)
        self._kept = kept

    def _keep(self, *args: Any) -> bool:  # noqa: ANN401 - as its base takes them
        thing = args[2]
        self._kept.look(thing.id, thing.data.get("status"))
        return super()._keep(*args)


@asynccontextmanager
async def synced(sim: SimGitHub, kept: Kept, hooks: Hooks) -> AsyncIterator[None]:
    """Sync as a node does, every half minute; webhooks do what they do, where they come."""

    def now() -> datetime:
        return datetime.fromtimestamp(sim.state.core.now(), UTC)

    credential = Credential("bench", token=TOKEN)
    desk = Desk(GitHubOptions("bench", credentials=(credential,)), wall=sim.state.core.now)
    desk.transport = HttpTransport(sim.url, transport=sim.transport)
    desk.counters = MemoryCounters()
    family = build_github(desk)
    world = World(CoreSettings("bench"), {}, SubnetPool("10.231.0.0/16"))
    jobs = MemoryGitHubJobs(now)
    state = WatchedState(kept, now, lambda: list(jobs._jobs.values()))  # noqa: SLF001
    world.github, world.github_jobs, world.github_state = family.gateway, jobs, state
    webhooks = WebhookDesk(world, family.gateway, (credential,), now=now)
    webhooks.jobs = jobs
    hooks.effects = Effects(webhooks)
    sync = SyncDesk(family.gateway, family.gateway, hooks.effects, (credential,))
    sync.state = state
    syncer = Syncer(sync, Doubts(sync))
    root = Root(family.supervisor.spec())

    async def rounds() -> None:
        while True:
            try:
                with trio.move_on_after(2 * ROUND_SECONDS):
                    await syncer.round()
            except PortError as error:
                print(f"a round ended: {error}")
            await trio.sleep(ROUND_SECONDS)

    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        nursery.start_soon(rounds)
        yield
        root.stop()
        nursery.cancel_scope.cancel()
