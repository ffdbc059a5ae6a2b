"""The supervisor of the gateway's actors.

github                  one_for_one
├─ github-credentials   installation tokens
└─ github-bucket:…      dynamic: one for each credential and resource
"""

from collections.abc import Sequence
from dataclasses import dataclass

from runnerhub.actors.github.cache import AnswerCache
from runnerhub.actors.github.counters import NodeCounters
from runnerhub.actors.github.credentials import CredentialsActor
from runnerhub.actors.github.desk import Desk
from runnerhub.actors.github.gateway import Gateway
from runnerhub.actors.github.messages import CREDENTIALS
from runnerhub.actors.github.metrics import GitHubCollector
from runnerhub.actors.github.turns import Turns
from runnerhub.ports.budget import BudgetCounters
from runnerhub.ports.github_cache import CacheTier
from runnerhub.runtime import ActorContext, ChildSpec, RestartIntensity, Supervisor


@dataclass(frozen=True, slots=True)
class GitHubFamily:
    """The gateway, what it runs on, and what is known of it."""

    supervisor: Supervisor
    gateway: Gateway
    metrics: GitHubCollector


def build_github(
    desk: Desk, shared: BudgetCounters, tiers: Sequence[tuple[str, CacheTier]] = ()
) -> GitHubFamily:
    """Build the gateway, and the supervisor without which it does not work.

    Args:
        desk: ports and settings.
        shared: the counters of all nodes.
        tiers: of the cache below memory, by name: `redis`, `postgres`.
    """

    async def credentials(ctx: ActorContext[object]) -> None:
        await CredentialsActor(desk, gateway.call_as_app).run(ctx)  # type: ignore[arg-type]

    family = Supervisor(
        "github",
        [ChildSpec(CREDENTIALS, credentials, kind="github-credentials", mailbox_size=1024)],
        intensity=RestartIntensity(10, 60.0),
    )
    counters = NodeCounters(shared, desk.options.node_id)
    cache = AnswerCache(tiers, desk.statistics, desk.wall)
    gateway = Gateway(desk, Turns(desk, counters, family), cache)
    return GitHubFamily(family, gateway, GitHubCollector(desk, counters))
