"""The queue in Redis: one script, so that every step is atomic and by the store's clock."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from runnerhub.ports.errors import QueueUnavailable
from runnerhub.ports.queue import QueueEntry, QueueLook
from runnerhub.runtime.bridge import Bridge
from runnerhub.runtime.cleanup import shielded

T = TypeVar("T")

# None of our commands blocks, so a bound on every answer cuts none short.
_ANSWER_SECONDS = 5.0
_CALL_SECONDS = 8.0
_PUSH_BATCH = 500


@contextlib.contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn foreign errors into the port's."""
    try:
        yield
    except (RedisError, OSError) as error:
        words = str(error) or type(error).__name__
        raise QueueUnavailable(f"Redis does not answer: {words}") from error


class RedisQueue:
    """The queue in Redis. It connects by itself when it is used; `close` it at the end.

    Args:
        bridge: to the loop that the connections live on.
        url: as redis-py has it: redis://, rediss:// or unix://.
        prefix: of every key, such as `rh:CLUSTER`.
        aging_seconds: a waiting job gains one point of priority each.
    """

    def __init__(self, bridge: Bridge, url: str, prefix: str, aging_seconds: float = 60.0) -> None:
        self._bridge = bridge
        self._prefix = prefix
        self._aging_ms = max(1, round(aging_seconds * 1000))
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=8,
            timeout=_ANSWER_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            decode_responses=True,
            retry=Retry(NoBackoff(), 1),  # a connection that a restarted server had closed
        )
        self._redis: Redis = Redis.from_pool(pool)
        script = files("runnerhub.adapters.redis") / "queue.lua"
        # Sent by its digest; after a restart, which forgets scripts, redis-py sends it whole.
        self._script = self._redis.register_script(script.read_text("utf-8"))

    async def close(self) -> None:
        """Close the connections; harmless when repeated."""
        with shielded(2 * _ANSWER_SECONDS):
            await self._call(self._redis.aclose)

    async def push(self, entries: Sequence[QueueEntry]) -> None:
        """Add entries; those that are known already stay as they are."""
        for start in range(0, len(entries), _PUSH_BATCH):
            args: list[str | int] = []
            for entry in entries[start : start + _PUSH_BATCH]:
                args += [entry.job_id, max(0, round(entry.delay_seconds * 1000)), _pack(entry)]
            await self._run("push", *args)

    async def claim(self, limits: Mapping[str, int], lease_seconds: float) -> Sequence[QueueEntry]:
        """Take up to so many of each placement class; they come back unless acknowledged."""
        wanted = [part for key, n in limits.items() if n > 0 for part in (key, n)]
        if not wanted:
            return ()
        lease_ms = max(1, round(lease_seconds * 1000))
        taken = await self._run("claim", lease_ms, self._aging_ms, *wanted)
        return [_unpack(*pair) for pair in zip(taken[::2], taken[1::2], strict=True)]

    async def acknowledge(self, job_ids: Sequence[str]) -> None:
        """Forget entries, claimed or not."""
        for start in range(0, len(job_ids), _PUSH_BATCH):
            await self._run("acknowledge", *job_ids[start : start + _PUSH_BATCH])

    async def restore_expired(self) -> int:
        """Put back claims whose lease has expired, some at a time; count them."""
        return int(await self._run("restore"))

    async def look(self) -> QueueLook:
        """Return what waits, and whether the queue is one that was marked."""
        mark, *flat = await self._run("look")
        classes = {key: int(n) for key, n in zip(flat[::2], flat[1::2], strict=True)}
        return QueueLook(classes, mark or None)

    async def mark(self, mark: str) -> None:
        """Leave a mark, which lasts as long as what the queue knows."""
        await self._run("mark", mark)

    async def known(self, job_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the ids that the queue knows: ready, delayed or claimed."""
        if not job_ids:
            return frozenset()

        async def work() -> list[str | None]:
            answer = self._redis.hmget(f"{self._prefix}:entries", list(job_ids))
            return await cast("Awaitable[list[str | None]]", answer)

        found = await self._call(work)
        return frozenset(i for i, entry in zip(job_ids, found, strict=True) if entry is not None)

    async def ping(self) -> None:
        """Raise QueueUnavailable unless the store answers."""

        async def work() -> object:
            return await cast("Awaitable[object]", self._redis.ping())

        await self._call(work)

    async def _run(self, action: str, *args: str | int) -> Any:  # noqa: ANN401 - as the script answers
        async def work() -> Any:  # noqa: ANN401 - as the script answers
            return await self._script(keys=[self._prefix], args=[action, *args])

        return await self._call(work)

    async def _call(self, function: Callable[[], Awaitable[T]]) -> T:
        with mapped_errors():
            return await self._bridge.call(_bounded, function)


async def _bounded(function: Callable[[], Awaitable[T]]) -> T:
    # redis-py bounds each answer; a call may need several: a greeting, then a second try.
    async with asyncio.timeout(_CALL_SECONDS):
        return await function()


def _pack(entry: QueueEntry) -> str:
    return json.dumps([entry.repository, entry.placement, entry.priority, entry.accepted_ms])


def _unpack(job_id: str, text: str) -> QueueEntry:
    return QueueEntry(job_id, *json.loads(text))
