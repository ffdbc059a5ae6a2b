"""Listen to what other nodes say is stale, so that this node's memory follows at once.

While nothing can be heard memory follows by itself, by its look at Redis every ten seconds. What
was missed meanwhile is unknown: so whenever listening begins, all of memory is looked up again.
"""

import random
from typing import Any

import structlog
import trio

from runnerhub.actors.github.cache import AnswerCache
from runnerhub.actors.github.desk import Desk
from runnerhub.ports.errors import Unavailable
from runnerhub.ports.github_cache import CacheFeed
from runnerhub.runtime import ActorContext, Backoff

log = structlog.get_logger(__name__)

LISTEN_AGAIN = Backoff(first=0.5, cap=10.0, jitter=0.2)


class CacheNewsActor:
    """Hear the news, and tell the cache.

    Args:
        desk: of the gateway.
        cache: of this node.
    """

    def __init__(self, desk: Desk, cache: AnswerCache) -> None:
        self._desk = desk
        self._cache = cache
        self._failures = 0
        self._rng = random.Random(random.getrandbits(64))  # noqa: S311 - jitter; replays when seeded

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Listen until stopped."""
        ctx.started()
        async with trio.open_nursery() as nursery:
            if self._desk.feed is not None:
                nursery.start_soon(self._listen, self._desk.feed)
            await ctx.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _listen(self, feed: CacheFeed) -> None:
        while True:
            try:
                await self._hear(feed)
                why = "the connection was closed"
            except Unavailable as error:
                why = str(error)
            self._failures += 1
            log.info("no news of other nodes", action="github_cache_deaf", why=why)
            await trio.sleep(LISTEN_AGAIN.delay(self._failures, self._rng))

    async def _hear(self, feed: CacheFeed) -> None:
        async with feed.listen() as channel:
            async for news in channel:
                self._failures = 0
                self._cache.hear(news)
