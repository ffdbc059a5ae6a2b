"""GitHub's answers in PostgreSQL: what stays fresh for long, kept over restarts."""

import zlib
from collections.abc import Sequence

from runnerhub.adapters.postgres.store import Store
from runnerhub.ports.github_cache import CacheEntry

KEEP_DAYS = 7
_PRUNE_BATCH = 2000

_PUT = """
INSERT INTO github_cache (key, etag, body, tags, next, fresh_until)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (key) DO UPDATE SET etag = excluded.etag, body = excluded.body,
    tags = excluded.tags, next = excluded.next, fresh_until = excluded.fresh_until,
    stored_at = now()
"""

_STALE = """
WITH tagged AS (  -- in order, so that two nodes that do this at once wait in line
    SELECT key FROM github_cache WHERE tags && $1::text[] ORDER BY key FOR UPDATE
), found AS (
    UPDATE github_cache SET fresh_until = 0 FROM tagged WHERE github_cache.key = tagged.key
    RETURNING 1
)
SELECT count(*) AS n FROM found
"""

_PRUNE = """
WITH old AS (
    SELECT key FROM github_cache WHERE stored_at < now() - make_interval(days => $1) LIMIT $2
), gone AS (
    DELETE FROM github_cache USING old WHERE github_cache.key = old.key RETURNING 1
)
SELECT count(*) AS n FROM gone
"""


class PostgresTier(Store):
    """Keep answers: `PostgresTier(bridge, url)`, then `open`, at the end `close`."""

    async def get(self, key: str) -> CacheEntry | None:
        """Return what is kept, fresh or stale."""
        found = await self._fetch("SELECT * FROM github_cache WHERE key = $1", key)
        if not found:
            return None
        row = found[0]
        body = zlib.decompress(row["body"])
        return CacheEntry(row["etag"], body, tuple(row["tags"]), row["next"], row["fresh_until"])

    async def put(self, key: str, entry: CacheEntry) -> None:
        """Keep an answer in the place of what was there."""
        body = zlib.compress(entry.body, 1)
        tags = list(entry.tags)
        await self._fetch(_PUT, key, entry.etag, body, tags, entry.next, entry.fresh_until)

    async def stale(self, tags: Sequence[str]) -> int:
        """Make all entries with any of these tags stale; count them."""
        return int((await self._fetch(_STALE, list(tags)))[0]["n"])

    async def prune(self) -> int:
        """Remove what was not stored for a week, at most some thousands; count it."""
        return int((await self._fetch(_PRUNE, KEEP_DAYS, _PRUNE_BATCH))[0]["n"])
