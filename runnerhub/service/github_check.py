"""The checks of GitHub's credentials: what is asked of each, and the actor that looks now and then.

A node looks at its start and every hour; where something is wrong, every five minutes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
import trio

from runnerhub.actors.github.checkup import Asked, Asker, check_credential
from runnerhub.actors.world import World
from runnerhub.config import Settings
from runnerhub.model.github_permissions import needs_of
from runnerhub.ports.github import Credential
from runnerhub.ports.hub import Dependency
from runnerhub.runtime import ActorContext, ChildSpec
from runnerhub.runtime.spec import AnySpec
from runnerhub.service.github import GitHubParts

log = structlog.get_logger(__name__)

OK_SECONDS, NOT_OK_SECONDS = 3600.0, 300.0


def asked_of(settings: Settings, credentials: Sequence[Credential]) -> list[Asked]:
    """Return what the configuration asks of each credential."""
    listened = {each.pool for each in settings.scale_sets}  # their own scope does not count
    scopes = {each.scope for each in settings.scale_sets} | {
        pool.scope for pool in settings.pools if pool.scope and pool.name not in listened
    }
    webhooks = bool(settings.github.webhook_secrets)
    found = []
    for credential in credentials:
        mine = [scope for scope in scopes if credential in _serving(scope, credentials)]
        app = credential.token is None
        needs = needs_of(mine, webhooks=webhooks, app=app)
        found.append(Asked(credential, needs, webhooks))
    return found


def _serving(scope: str, credentials: Sequence[Credential]) -> Sequence[Credential]:
    """Return the credentials that runners of a scope are registered with."""
    if scope == "repository":
        return credentials
    name = scope.split("/")[1].lower()
    named = [each for each in credentials if name in each.accounts]
    return (named or [each for each in credentials if not each.accounts])[:1]


@dataclass(frozen=True, slots=True)
class GitHubWatch:
    """Look at the credentials now and then, and say what is wrong.

    Args:
        world: whose `github_health` is kept.
        asker: the gateway.
        asked: of each credential.
        wall: Unix seconds.
    """

    world: World
    asker: Asker
    asked: Sequence[Asked]
    wall: Callable[[], float]

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Look until stopped."""
        ctx.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_again)
            await ctx.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _look_again(self) -> None:
        while True:
            self.world.github_health = health = await self.look()
            await trio.sleep(OK_SECONDS if health.ok else NOT_OK_SECONDS)

    async def look(self) -> Dependency:
        """Look once."""
        checks = [
            check
            for asked in self.asked
            for check in await check_credential(self.asker, asked, self.wall)
        ]
        for check in checks:
            if not check.ok:
                log.warning(check.detail, action="github_check", check=check.name)
        wrong = [f"{check.name}: {check.detail}" for check in checks if not check.ok]
        good = "; ".join(check.detail for check in checks)
        return Dependency("github", ok=not wrong, detail="; ".join(wrong) or good, required=False)


def github_watch(settings: Settings, world: World, github: GitHubParts) -> AnySpec:
    """Return the child that looks at the credentials."""
    asked = asked_of(settings, github.desk.options.credentials)
    watch = GitHubWatch(world, github.family.gateway, asked, github.desk.wall)
    return ChildSpec("github-check", watch.run, kind="github-check")
