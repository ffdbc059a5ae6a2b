"""GitHub's answers in Redis: what any node fetched, for an hour.

    P:e:KEY    hash   body, etag, tags, next, until
    P:t:TAG    set    the keys that carry a tag

A set of a tag may name keys that are gone; both expire.
"""

import json
from collections.abc import Awaitable, Sequence
from typing import cast

from runnerhub.adapters.redis.connection import RedisConnection
from runnerhub.ports.github_cache import CacheEntry

KEEP_SECONDS = 3600
MOST_BYTES = 1 << 20


class RedisTier:
    """Keep answers for all nodes.

    Args:
        connection: to the Redis that they share.
        prefix: of every key, such as `rh:CLUSTER:github:cache`.
    """

    def __init__(self, connection: RedisConnection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._script = connection.script("stale.lua")

    async def get(self, key: str) -> CacheEntry | None:
        """Return what is kept, fresh or stale."""

        async def work() -> dict[bytes, bytes]:
            found = self._connection.redis.hgetall(f"{self._prefix}:e:{key}")
            return await cast("Awaitable[dict[bytes, bytes]]", found)

        found = await self._connection.call(work)
        if not found:
            return None
        about = json.loads(found[b"about"])
        return CacheEntry(
            about["etag"],
            found[b"body"],
            tuple(about["tags"]),
            about["next"],
            float(found[b"until"]),
        )

    async def put(self, key: str, entry: CacheEntry) -> None:
        """Keep an answer in the place of what was there; one that is too large is not kept."""

        async def work() -> None:
            where = f"{self._prefix}:e:{key}"
            async with self._connection.redis.pipeline(transaction=True) as pipe:
                pipe.delete(where)
                if len(entry.body) <= MOST_BYTES:
                    about = {"etag": entry.etag, "tags": entry.tags, "next": entry.next}
                    fields: dict[str, str | bytes] = {
                        "body": entry.body,
                        "about": json.dumps(about),
                        "until": repr(entry.fresh_until),
                    }
                    pipe.hset(where, mapping=fields)  # type: ignore[arg-type]
                    pipe.expire(where, KEEP_SECONDS)
                    for tag in entry.tags:
                        pipe.sadd(f"{self._prefix}:t:{tag}", key)
                        pipe.expire(f"{self._prefix}:t:{tag}", 2 * KEEP_SECONDS)
                await pipe.execute()

        await self._connection.call(work)

    async def stale(self, tags: Sequence[str]) -> int:
        """Make all entries with any of these tags stale; count them."""
        return int(await self._script(self._prefix, [*tags])) if tags else 0

    async def prune(self) -> int:
        """Remove nothing: Redis does, when it is time."""
        return 0
