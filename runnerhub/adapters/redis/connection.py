"""Redis behind the bridge, for those that keep small things in it. Waits are bounded."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from importlib.resources import files
from typing import Any, TypeVar

import trio
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from runnerhub.adapters.redis.queue import mapped_errors
from runnerhub.runtime.bridge import Bridge
from runnerhub.runtime.cleanup import shielded
from runnerhub.runtime.stream import open_stream

T = TypeVar("T")

ANSWER_SECONDS = 2.0
CALL_SECONDS = 4.0


class RedisConnection:
    """Connect when first used; `close` it at the end.

    Args:
        bridge: to the loop that the connections live on.
        url: as redis-py has it.
        connections: at most so many.
    """

    def __init__(self, bridge: Bridge, url: str, connections: int = 8) -> None:
        self._bridge = bridge
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            decode_responses=False,
            retry=Retry(NoBackoff(), 1),  # a connection that a restarted server had closed
        )
        self.redis: Redis = Redis.from_pool(pool)

    async def close(self) -> None:
        """Close the connections; harmless when repeated."""
        with shielded(2 * ANSWER_SECONDS):
            await self.call(self.redis.aclose)

    async def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run an asyncio function of `redis`.

        Raises:
            QueueUnavailable: Redis does not answer.
        """
        with mapped_errors():
            return await self._bridge.call(_bounded, function)

    def stream(
        self, make: Callable[[], AsyncGenerator[T, None]]
    ) -> AbstractAsyncContextManager[trio.abc.ReceiveChannel[T]]:
        """Run an asyncio generator of `redis` for a block, as a channel of what it yields."""
        return open_stream(self._bridge, make)

    def script(self, name: str) -> Callable[[str, list[str | int]], Awaitable[Any]]:
        """Return one of the scripts in this package, to be called with a prefix and arguments."""
        text = (files("runnerhub.adapters.redis") / name).read_text("utf-8")
        script = self.redis.register_script(text)

        async def run(prefix: str, args: list[str | int]) -> Any:  # noqa: ANN401 - as the script answers
            async def work() -> Any:  # noqa: ANN401 - as the script answers
                return await script(keys=[prefix], args=args)

            return await self.call(work)

        return run


async def _bounded(function: Callable[[], Awaitable[T]]) -> T:
    async with asyncio.timeout(CALL_SECONDS):
        return await function()
