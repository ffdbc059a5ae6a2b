"""From settings to the sync with GitHub, where GitHub is configured."""

from dataclasses import dataclass
from typing import Any

from runnerhub.actors.github.sync import Syncer
from runnerhub.actors.github.sync_desk import SyncDesk
from runnerhub.actors.github.sync_doubts import Doubts
from runnerhub.actors.github.sync_metrics import SyncCollector
from runnerhub.actors.webhooks.effects import Effects
from runnerhub.actors.webhooks.rounds import Rounds
from runnerhub.actors.world import World
from runnerhub.adapters.postgres.github_state import PostgresGitHubState
from runnerhub.runtime import ActorContext, Bridge, ChildSpec
from runnerhub.runtime.spec import AnySpec
from runnerhub.service.github import GitHubParts
from runnerhub.service.stores import Where, hold, until_there
from runnerhub.service.webhooks import WebhookParts

CONNECTIONS = 2
ROUND_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SyncParts:
    """The sync, and what it stands on."""

    world: World
    desk: SyncDesk

    @property
    def metrics(self) -> SyncCollector:
        """What is known of it."""
        return SyncCollector(self.desk)

    @property
    def actor(self) -> AnySpec:
        """The child that looks at GitHub."""
        syncer = Syncer(self.desk, Doubts(self.desk))
        rounds = Rounds(self.world, "github-sync", ROUND_SECONDS, syncer.round)
        return ChildSpec("github-sync", rounds.run, kind="github-sync", shutdown=3.0)

    def store(self, bridge: Bridge, postgres: Where) -> AnySpec:
        """Return the child that opens what the sync stands on."""

        async def run(ctx: ActorContext[Any]) -> None:
            opened = PostgresGitHubState(bridge, postgres(), connections=CONNECTIONS)
            await until_there(opened.open)
            self.desk.state = self.world.github_state = opened
            await hold(ctx, opened.close)

        return ChildSpec("github-state", run, kind="store")


def sync_parts(
    world: World, github: GitHubParts | None, webhooks: WebhookParts | None
) -> SyncParts | None:
    """Build the sync; None without a gateway."""
    if github is None or webhooks is None:
        return None
    gateway = github.family.gateway
    credentials = github.desk.options.credentials
    return SyncParts(world, SyncDesk(gateway, gateway, Effects(webhooks.desk), credentials))
