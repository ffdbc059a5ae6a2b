"""Something that one node of the cluster does now and then, under a lease."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
import trio

from runnerhub.actors.world import World
from runnerhub.ports.errors import PortError, Unavailable
from runnerhub.ports.github import GitHubNotConfigured, RateLimited
from runnerhub.runtime import ActorContext, cleanup

log = structlog.get_logger(__name__)

LET_GO_SECONDS = 1.0


class Rounds:
    """Do rounds while this node holds the lease. An outage ends a round; the next one goes on.

    Args:
        world: its ledger keeps the lease.
        name: of the lease.
        every: seconds between two rounds.
        one: a round.
    """

    def __init__(
        self, world: World, name: str, every: float, one: Callable[[], Awaitable[None]]
    ) -> None:
        self._world = world
        self._name = name
        self._every = every
        self._one = one

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Do the rounds until stopped; then let another node do them."""
        ctx.started()
        node, ttl = self._world.settings.node_id, 3 * self._every
        lease = None
        while not ctx.stopping.is_set():
            try:
                lease = await self._world.ledger.acquire_lease(self._name, node, ttl)
                if lease is not None:
                    with trio.move_on_after(2 * self._every):
                        await self._one()
            except RateLimited as error:
                log.info("round waits", action="github_round", name=self._name, why=str(error))
            except (PortError, GitHubNotConfigured) as error:
                level = log.info if isinstance(error, Unavailable) else log.warning
                level("round ends", action="github_round", name=self._name, why=str(error))
            with trio.move_on_after(self._every):
                await ctx.stopping.wait()
        if lease is not None:
            with cleanup(trio.current_time() + LET_GO_SECONDS):
                try:
                    await self._world.ledger.release_lease(lease)
                except Unavailable:
                    return  # it expires
