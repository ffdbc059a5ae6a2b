"""A node that takes webhooks, before a simulated GitHub that sends them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import trio
from prometheus_client import CollectorRegistry

from runnerhub.actors.github.desk import Desk, GitHubOptions
from runnerhub.actors.github.family import build_github
from runnerhub.actors.hub import CoreHub
from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.actors.webhooks.family import build_webhooks
from runnerhub.actors.webhooks.intake import Reception
from runnerhub.adapters.github import HttpTransport, RsaSigner
from runnerhub.api.app import create_app
from runnerhub.api.auth import Tokens
from runnerhub.config import GitHubSettings, Settings
from runnerhub.ports.github import Credential
from runnerhub.runtime import Root, Strategy, Supervisor
from runnerhub.sim.counters import MemoryCounters
from runnerhub.sim.github.faults import FaultPlan
from runnerhub.sim.github.orders import RunOrder
from runnerhub.sim.github.serving import TOKEN, SimGitHub, sim_github
from runnerhub.sim.webhooks import MemoryDeliveries, MemoryGitHubJobs
from tests.simulation.cluster import Cluster

URL = "http://hub.test/api/webhooks/github"
SECRET = "s3cret"


class Wire(httpx.AsyncBaseTransport):
    """Carries webhooks to whoever listens; to nobody, while nobody does."""

    def __init__(self) -> None:
        self.app: Any = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        if self.app is None:
            raise httpx.ConnectError("nobody listens", request=request)
        answer = await self.app.test_client().post(
            request.url.path, data=body, headers=dict(request.headers)
        )
        return httpx.Response(answer.status_code, content=await answer.get_data())


@dataclass
class Place:
    """GitHub, and what outlives a node's life."""

    github: SimGitHub
    wire: Wire
    deliveries: MemoryDeliveries
    jobs: MemoryGitHubJobs
    cluster: Cluster
    counters: MemoryCounters
    credential: Credential

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.github.state.core.now(), UTC)

    def order(self, *labels: str, **more: Any) -> list[int]:
        """Queue a run of one job in acme/web; return the job."""
        order = RunOrder(**{"repository": "acme/web", "labels": list(labels)} | more)
        return [job.id for run in self.github.state.work.queue(order) for job in run.jobs]

    async def statuses(self) -> dict[int, str]:
        return {number: job.status for number, job in self.jobs._jobs.items()}

    @asynccontextmanager
    async def life(self, name: str = "n1", every: float = 60.0) -> AsyncIterator[WebhookDesk]:
        """Run a node for the block."""
        options = GitHubOptions(name, credentials=(self.credential,))
        desk = Desk(options, wall=self.github.state.core.now)
        desk.transport = HttpTransport(self.github.url, transport=self.github.transport)
        desk.counters = self.counters
        family = build_github(desk)
        world = await self.cluster.new_world()
        world.settings = replace(world.settings, node_id=name)
        world.github, world.github_jobs = family.gateway, self.jobs
        hooks = WebhookDesk(world, family.gateway, options.credentials, now=self.now)
        hooks.deliveries, hooks.jobs = self.deliveries, self.jobs
        children = [family.supervisor.spec(), build_webhooks(hooks, every).spec()]
        root = Root(Supervisor("root", children, strategy=Strategy.REST_FOR_ONE).spec())
        settings = Settings(github=GitHubSettings(webhook_secrets=(SECRET,)))
        async with trio.open_nursery() as nursery:
            await nursery.start(root.run)
            self.wire.app = create_app(
                CoreHub(world, root), settings, Tokens("x" * 32), CollectorRegistry(),
                Reception(hooks),
            )  # fmt: skip
            yield hooks
            self.wire.app = None
            root.stop()


@asynccontextmanager
async def place(plan: FaultPlan | None = None, hook: str = "app") -> AsyncIterator[Place]:
    """Run a GitHub with acme/web.

    Args:
        plan: what goes wrong.
        hook: whose the webhook is: `app`, `repo` or `org`; the latter two with a token.
    """
    wire = Wire()
    async with sim_github(plan=plan, webhooks=wire) as sim:
        sim.state.places.add_repository("acme/web")
        if hook == "app":
            app, key = sim.state.access.add_app("hub", "acme")
            installation = sim.state.access.install(app, "acme")
            signer = RsaSigner(str(app.id), key, sim.state.core.now)
            who = Credential("app", frozenset(), None, str(app.id), installation.id, signer)
            owner = str(app.id)
        else:
            who, owner = Credential("pat", token=TOKEN), "acme/web" if hook == "repo" else "acme"
        sim.state.hooks.add(hook, owner, URL, secret=SECRET)

        def clock() -> datetime:
            return datetime.fromtimestamp(sim.state.core.now(), UTC)

        yield Place(
            sim, wire, MemoryDeliveries(clock), MemoryGitHubJobs(clock), Cluster(),
            MemoryCounters(), who,
        )  # fmt: skip
