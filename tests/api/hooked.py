"""The webhooks' door over a whole tree on simulated ports."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio
from prometheus_client import CollectorRegistry, generate_latest
from quart_trio import QuartTrio

from runnerhub.actors.hub import CoreHub
from runnerhub.actors.tree import build_tree
from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.actors.webhooks.family import build_webhooks
from runnerhub.actors.webhooks.intake import Reception
from runnerhub.actors.webhooks.metrics import WebhookCollector
from runnerhub.api.app import create_app
from runnerhub.api.auth import Tokens
from runnerhub.config import GitHubSettings, Settings
from runnerhub.runtime import Root
from runnerhub.sim.webhooks import MemoryDeliveries, MemoryGitHubJobs
from tests.simulation.cluster import Cluster, now

SECRET = "It's a Secret to Everybody"
OLDER = "the one before"
PATH = "/api/webhooks/github"


def signed(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(
    body: bytes, event: str = "workflow_job", guid: str = "g-1", **more: str
) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": guid,
        "X-Hub-Signature-256": signed(body),
    } | {name.replace("_", "-"): value for name, value in more.items()}


def job_payload(number: int = 1, action: str = "queued", **more: Any) -> dict[str, Any]:
    status = more.pop("status", action)
    job = {"id": number, "run_id": 7, "status": status, "labels": ["self-hosted"], **more}
    return {
        "action": action,
        "workflow_job": job,
        "repository": {"full_name": "acme/web"},
        "installation": {"id": 5},
    }


@dataclass
class Hooked:
    """An app, and what is behind its webhooks."""

    app: QuartTrio
    desk: WebhookDesk
    metrics: CollectorRegistry

    async def post(self, body: bytes, **more: Any) -> Any:
        found = headers(body) | more.pop("headers", {})
        found = {name: value for name, value in found.items() if value is not None}
        return await self.app.test_client().post(PATH, data=body, headers=found)

    async def send(self, payload: Any, event: str = "workflow_job", guid: str = "g-1") -> Any:
        body = json.dumps(payload).encode()
        return await self.post(body, headers=headers(body, event, guid))

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.get_sample_value(f"runnerhub_{name}", labels) or 0.0

    def page(self) -> str:
        return generate_latest(self.metrics).decode()


@asynccontextmanager
async def hooked(
    cluster: Cluster | None = None,
    deliveries: MemoryDeliveries | None = None,
    jobs: MemoryGitHubJobs | None = None,
    secrets: tuple[str, ...] = (SECRET, OLDER),
) -> AsyncIterator[Hooked]:
    cluster = cluster or Cluster()
    world = await cluster.new_world()
    desk = WebhookDesk(world, now=now)
    desk.deliveries = deliveries or MemoryDeliveries(now)
    desk.jobs = world.github_jobs = jobs or MemoryGitHubJobs(now)
    root = Root(build_tree(world, doors=[build_webhooks(desk).spec()]).spec())
    metrics = CollectorRegistry()
    metrics.register(WebhookCollector(desk))
    settings = Settings(github=GitHubSettings(webhook_secrets=secrets))
    app = create_app(CoreHub(world, root), settings, Tokens("x" * 32), metrics, Reception(desk))
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        yield Hooked(app, desk, metrics)
        root.stop()
