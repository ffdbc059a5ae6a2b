"""News of the cache, by Redis' publish and subscribe.

Redis keeps nothing for who is not there. So each subscription, the first and those after a lost
connection, begins with None: something may have been missed.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager

import trio

from runnerhub.adapters.redis.connection import RedisConnection
from runnerhub.adapters.redis.queue import mapped_errors
from runnerhub.ports.errors import QueueUnavailable
from runnerhub.ports.github_cache import CacheNews

QUIET_SECONDS = 5.0  # then it is asked whether it is still there


class RedisFeed:
    """Tell all nodes, and hear them.

    Args:
        connection: to the Redis that they share; listening holds one of its connections.
        channel: such as `rh:CLUSTER:github:cache:news`.
    """

    def __init__(self, connection: RedisConnection, channel: str) -> None:
        self._connection = connection
        self._channel = channel

    async def publish(self, news: CacheNews) -> None:
        """Tell all who listen, this node included."""
        said = json.dumps({"from": news.sender, "tags": news.tags})

        async def work() -> None:
            await self._connection.redis.publish(self._channel, said)

        await self._connection.call(work)

    def listen(self) -> AbstractAsyncContextManager[trio.abc.ReceiveChannel[CacheNews | None]]:
        """Hear what is told from now on."""
        return self._connection.stream(self._hear)

    async def _hear(self) -> AsyncGenerator[CacheNews | None, None]:
        asked = False
        with mapped_errors():
            async with self._connection.redis.pubsub() as pubsub:
                await pubsub.subscribe(self._channel)
                while True:
                    message = await pubsub.get_message(timeout=QUIET_SECONDS)
                    if message is None:
                        if asked:
                            raise QueueUnavailable("Redis has fallen silent")
                        await pubsub.ping()
                        asked = True
                        continue
                    asked = False
                    if message["type"] == "message":
                        yield _read(message["data"])
                    elif message["type"] == "subscribe":
                        yield None


def _read(data: bytes) -> CacheNews | None:
    try:
        said = json.loads(data)
        return CacheNews(str(said["from"]), tuple(said["tags"]))
    except (ValueError, TypeError, KeyError):
        return None  # of a version that says it otherwise
