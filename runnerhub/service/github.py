"""From settings to the gateway to GitHub, where GitHub is configured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runnerhub.actors.github.desk import Desk, GitHubOptions
from runnerhub.actors.github.family import GitHubFamily, build_github
from runnerhub.actors.world import World
from runnerhub.adapters.github import HttpTransport, RsaSigner
from runnerhub.adapters.postgres.github_cache import PostgresTier
from runnerhub.adapters.redis.budget import RedisCounters
from runnerhub.adapters.redis.connection import RedisConnection
from runnerhub.adapters.redis.github_cache import RedisTier
from runnerhub.adapters.redis.github_feed import RedisFeed
from runnerhub.config import GitHubCredential, GitHubSettings
from runnerhub.model.secondary import SecondaryLimits
from runnerhub.ports.github import Credential
from runnerhub.runtime import ActorContext, Bridge, ChildSpec
from runnerhub.runtime.spec import AnySpec
from runnerhub.service.stores import Where, hold, until_there


@dataclass(frozen=True, slots=True)
class GitHubParts:
    """The gateway's parts, and the stores that they stand on."""

    family: GitHubFamily
    desk: Desk
    api_url: str

    def stores(
        self, bridge: Bridge, world: World, postgres: Where, valkey: Where
    ) -> Sequence[AnySpec]:
        """Return the child that opens what the gateway stands on, and the gateway itself."""

        async def run(ctx: ActorContext[Any]) -> None:
            connection = RedisConnection(bridge, valkey())
            lasting = PostgresTier(bridge, postgres(), connections=2)
            prefix = f"rh:{world.cluster}:github"
            await until_there(lasting.open)
            self.desk.transport = transport = HttpTransport(self.api_url)
            self.desk.counters = RedisCounters(connection, prefix)
            near = RedisTier(connection, f"{prefix}:cache")
            self.desk.feed = RedisFeed(connection, f"{prefix}:cache:news")
            self.desk.tiers = (("redis", near), ("postgres", lasting))

            async def close() -> None:
                await transport.close()
                await connection.close()
                await lasting.close()

            await hold(ctx, close)

        return [ChildSpec("github-stores", run, kind="store"), self.family.supervisor.spec()]


def github_parts(settings: GitHubSettings, node_id: str) -> GitHubParts | None:
    """Build the gateway; None when there is no credential.

    Raises:
        KeyFileError: the private key of an App cannot be used.
    """
    if not settings.all_credentials:
        return None
    options = GitHubOptions(
        node_id,
        settings.strategy,
        SecondaryLimits(settings.write_spacing),
        credentials_of(settings),
    )
    desk = Desk(options)
    return GitHubParts(build_github(desk), desk, settings.api_url)


def credentials_of(settings: GitHubSettings) -> tuple[Credential, ...]:
    """Return the configured credentials.

    Raises:
        KeyFileError: the private key of an App cannot be used.
    """
    return tuple(_credential(each) for each in settings.all_credentials)


def _credential(settings: GitHubCredential) -> Credential:
    signer = None
    if settings.app_id is not None and settings.private_key_file is not None:
        signer = RsaSigner.from_file(settings.app_id, settings.private_key_file)
    return Credential(
        settings.name,
        frozenset(account.lower() for account in settings.accounts),
        settings.token,
        settings.app_id,
        settings.installation_id,
        signer,
    )
