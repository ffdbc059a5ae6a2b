"""The supervisor of the gateway's actors.

github                  one_for_one
├─ github-credentials   installation tokens
├─ github-pruner        what the cache forgets
├─ github-news          what other nodes say is stale
└─ github-bucket:…      dynamic: one for each credential and resource
"""

from dataclasses import dataclass
from typing import Any

import trio

from runnerhub.actors.github.cache import AnswerCache
from runnerhub.actors.github.cache_news import CacheNewsActor
from runnerhub.actors.github.counters import NodeCounters
from runnerhub.actors.github.credentials import CredentialsActor
from runnerhub.actors.github.desk import Desk
from runnerhub.actors.github.gateway import Gateway
from runnerhub.actors.github.messages import CREDENTIALS, Distrust, Identify
from runnerhub.actors.github.metrics import GitHubCollector
from runnerhub.actors.github.turns import Turns
from runnerhub.runtime import ActorContext, ChildSpec, RestartIntensity, Supervisor

PRUNE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class GitHubFamily:
    """The gateway, what it runs on, and what is known of it."""

    supervisor: Supervisor
    gateway: Gateway
    metrics: GitHubCollector


def build_github(desk: Desk) -> GitHubFamily:
    """Build the gateway, and the supervisor without which it does not work."""
    counters = NodeCounters(desk)
    cache = AnswerCache(desk)

    async def credentials(ctx: ActorContext[Identify | Distrust]) -> None:
        await CredentialsActor(desk, gateway.call_as_app).run(ctx)

    async def pruner(ctx: ActorContext[Any]) -> None:
        ctx.started()
        while not ctx.stopping.is_set():
            await cache.prune()
            with trio.move_on_after(PRUNE_SECONDS):
                await ctx.stopping.wait()

    family = Supervisor(
        "github",
        [
            ChildSpec(CREDENTIALS, credentials, kind="github-credentials", mailbox_size=1024),
            ChildSpec("github-pruner", pruner, kind="github-pruner"),
            ChildSpec("github-news", CacheNewsActor(desk, cache).run, kind="github-news"),
        ],
        intensity=RestartIntensity(10, 60.0),
    )
    gateway = Gateway(desk, Turns(desk, counters, family), cache)
    return GitHubFamily(family, gateway, GitHubCollector(desk, counters))
