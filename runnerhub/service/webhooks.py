"""From settings to the webhooks' actors, where GitHub is configured."""

from dataclasses import dataclass
from typing import Any

from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.actors.webhooks.family import build_webhooks
from runnerhub.actors.webhooks.intake import Reception
from runnerhub.actors.webhooks.metrics import WebhookCollector
from runnerhub.actors.world import World
from runnerhub.adapters.postgres.github_jobs import PostgresWebhooks
from runnerhub.config import GitHubSettings
from runnerhub.runtime import ActorContext, Bridge, ChildSpec
from runnerhub.runtime.spec import AnySpec
from runnerhub.service.github import GitHubParts
from runnerhub.service.stores import Where, hold, until_there

CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """The webhooks' actors, their door, and what is known of them."""

    desk: WebhookDesk
    door: Reception
    metrics: WebhookCollector
    actors: AnySpec

    def store(self, bridge: Bridge, postgres: Where) -> AnySpec:
        """Return the child that opens what the actors stand on."""

        async def run(ctx: ActorContext[Any]) -> None:
            opened = PostgresWebhooks(bridge, postgres(), connections=CONNECTIONS)
            await until_there(opened.open)
            self.desk.deliveries = self.desk.jobs = self.desk.world.github_jobs = opened
            await hold(ctx, opened.close)

        return ChildSpec("webhook-store", run, kind="store")


def webhook_parts(
    settings: GitHubSettings, world: World, github: GitHubParts | None
) -> WebhookParts | None:
    """Build the webhooks; None when there are neither secrets nor credentials."""
    if github is None and not settings.webhook_secrets:
        return None
    desk = WebhookDesk(world)
    if github is not None:
        desk.app = github.family.gateway
        desk.credentials = github.desk.options.credentials
    return WebhookParts(desk, Reception(desk), WebhookCollector(desk), build_webhooks(desk).spec())
