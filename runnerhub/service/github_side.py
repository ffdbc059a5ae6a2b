"""All of a node that has to do with GitHub, loaded only where something of it is configured."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerhub.actors.github.fleet import FleetActor
from runnerhub.actors.github.registrar import Registrar
from runnerhub.runtime import ChildSpec
from runnerhub.service.github import GitHubParts, github_parts
from runnerhub.service.github_check import github_watch
from runnerhub.service.github_sync import SyncParts, sync_parts
from runnerhub.service.scale_sets import ScaleSetParts, scale_set_parts
from runnerhub.service.webhooks import WebhookParts, webhook_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry

    from runnerhub.actors.webhooks.intake import Reception
    from runnerhub.actors.world import World
    from runnerhub.config import Settings
    from runnerhub.runtime import Bridge
    from runnerhub.runtime.spec import AnySpec
    from runnerhub.service.stores import Where


@dataclass(frozen=True, slots=True)
class GitHubSide:
    """The parts that are configured; the others are None."""

    world: "World"
    settings: "Settings"
    gateway: GitHubParts | None
    scale_sets: ScaleSetParts | None
    webhooks: WebhookParts | None
    sync: SyncParts | None

    @property
    def door(self) -> "Reception | None":
        """Where webhooks come in."""
        return self.webhooks.door if self.webhooks else None

    def stores(self, bridge: "Bridge", postgres: "Where", valkey: "Where") -> "Sequence[AnySpec]":
        """Return the children that open what the others stand on, and the gateway."""
        gateway = self.gateway.stores(bridge, self.world, postgres, valkey) if self.gateway else ()
        parts = (self.webhooks, self.sync, self.scale_sets)
        return [*gateway, *(part.store(bridge, postgres) for part in parts if part)]

    def doors(self) -> "Sequence[AnySpec]":
        """Return the children that build on the core."""
        world, gateway = self.world, self.gateway
        has_fleet = world.github and any(pool.scope for pool in world.settings.pools)
        return [
            *([self.webhooks.actors] if self.webhooks else ()),
            *([self.sync.actor] if self.sync else ()),
            *([github_watch(self.settings, world, gateway)] if gateway else ()),
            *([_fleet(world, gateway)] if gateway and has_fleet else ()),
            *([self.scale_sets.actors] if self.scale_sets else ()),
        ]

    def register(self, metrics: "CollectorRegistry") -> None:
        """Add the metrics of all parts."""
        if self.gateway is not None:
            metrics.register(self.gateway.family.metrics)
        for part in (self.scale_sets, self.webhooks, self.sync):
            if part is not None:
                metrics.register(part.metrics)


def github_side(settings: "Settings", world: "World", node_id: str) -> GitHubSide:
    """Build what is configured, and let the world know of it.

    Raises:
        KeyFileError: the private key of an App cannot be used.
    """
    gateway = github_parts(settings.github, node_id)
    if gateway is not None:
        world.github = gateway.family.gateway
        world.runners = Registrar(gateway.family.gateway)
    scale_sets = scale_set_parts(settings, world, gateway)
    webhooks = webhook_parts(settings.github, world, gateway)
    sync = sync_parts(world, gateway, webhooks)
    return GitHubSide(world, settings, gateway, scale_sets, webhooks, sync)


def _fleet(world: "World", gateway: GitHubParts) -> "AnySpec":
    return ChildSpec("fleet", FleetActor(world, gateway.family.gateway).run, kind="fleet")
