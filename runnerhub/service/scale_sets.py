"""From settings to the listeners of scale sets, where GitHub is configured."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from runnerhub.actors.github.registrar import Registrar
from runnerhub.actors.github.scale_set import build_scale_sets
from runnerhub.actors.github.scale_set_desk import ScaleSetDesk, ScaleSetOptions
from runnerhub.actors.github.scale_set_metrics import ScaleSetCollector
from runnerhub.actors.github.scale_set_runners import ScaleSetRunners
from runnerhub.actors.world import World
from runnerhub.adapters.github.scale_sets import HttpScaleSets
from runnerhub.adapters.postgres.scale_sets import PostgresScaleSets
from runnerhub.config import Settings
from runnerhub.model.scale_set import Bounds
from runnerhub.runtime import ActorContext, Bridge, ChildSpec
from runnerhub.runtime.spec import AnySpec
from runnerhub.service.github import GitHubParts
from runnerhub.service.stores import Where, hold, until_there

log = structlog.get_logger(__name__)

CONNECTIONS = 2


@dataclass(frozen=True, slots=True)
class ScaleSetParts:
    """The listeners, what is known of them, and what they stand on."""

    desk: ScaleSetDesk
    github: GitHubParts
    metrics: ScaleSetCollector
    actors: AnySpec

    def store(self, bridge: Bridge, postgres: Where) -> AnySpec:
        """Return the child that opens what the listeners stand on."""

        async def run(ctx: ActorContext[Any]) -> None:
            ledger = PostgresScaleSets(bridge, postgres(), connections=CONNECTIONS)
            await until_there(ledger.open)
            service = HttpScaleSets(self.github.family.gateway, self.github.api_url)
            self.desk.ledger, self.desk.service = ledger, service

            async def close() -> None:
                await service.close()
                await ledger.close()

            await hold(ctx, close)

        return ChildSpec("scale-set-store", run, kind="store")


def scale_set_parts(
    settings: Settings, world: World, github: GitHubParts | None
) -> ScaleSetParts | None:
    """Build the listeners, and let runners register through their scale sets; None without any."""
    if not settings.scale_sets:
        return None
    if github is None:
        log.warning("scale sets need a credential", action="github_not_configured")
        return None
    desk = ScaleSetDesk(world, list(_options(settings, world)))
    world.runners = Registrar(github.family.gateway, ScaleSetRunners(desk))
    actors = build_scale_sets(desk).spec()
    return ScaleSetParts(desk, github, ScaleSetCollector(desk), actors)


def _options(settings: Settings, world: World) -> Iterator[ScaleSetOptions]:
    pools = {pool.name: pool for pool in world.settings.pools}
    for each in settings.scale_sets:
        pool = pools[each.pool]
        bounds = Bounds(each.min_runners, each.max_runners or pool.max_runners)
        yield ScaleSetOptions(each.name, f"/{each.scope}", pool, bounds)
