"""Webhook deliveries in PostgreSQL."""

from collections.abc import Collection, Sequence
from typing import Any

from runnerhub.adapters.postgres.store import Store
from runnerhub.adapters.postgres.webhook_rows import asks_to_json, claimed, kept
from runnerhub.ports.deliveries import (
    MOST_ATTEMPTS,
    Backlog,
    Claimed,
    Delivery,
    DeliveryPage,
    DeliveryState,
    Failure,
    KeptDelivery,
    before,
)

_PRUNE_BATCH = 5000
_LONGEST_WHY = 2000

_RECEIVE = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::jsonb[], $6::text[])
        WITH ORDINALITY AS given (guid, digest, event, action, asks, hook, place)
), seen AS (
    INSERT INTO webhook_hooks (path) SELECT DISTINCT hook FROM given WHERE hook IS NOT NULL
    ON CONFLICT (path) DO UPDATE SET seen_at = clock_timestamp()
        WHERE webhook_hooks.seen_at < clock_timestamp() - interval '1 minute'
)
INSERT INTO webhook_deliveries (guid, digest, event, action, asks)
SELECT guid, digest, event, action, asks FROM given ORDER BY place
ON CONFLICT (guid, digest) DO UPDATE SET state = 'new', attempts = 0, holder = NULL,
    received_at = clock_timestamp(), due_at = clock_timestamp(), ended_at = NULL
    WHERE webhook_deliveries.state = 'dead'
RETURNING guid, digest
"""

_CLAIM = """
WITH due AS (
    SELECT seq, attempts >= $4 AS spent FROM webhook_deliveries
    WHERE state = 'new' AND (due_at <= clock_timestamp() OR holder = $1)
    ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE webhook_deliveries AS d SET
    state = CASE WHEN due.spent THEN 'dead' ELSE 'new' END,
    ended_at = CASE WHEN due.spent THEN clock_timestamp() END,
    error = CASE WHEN due.spent THEN coalesce(error, 'begun too often') ELSE error END,
    attempts = attempts + 1,
    holder = $1,
    due_at = clock_timestamp() + make_interval(secs => $3)
FROM due WHERE d.seq = due.seq
RETURNING d.*
"""

_DONE = """
UPDATE webhook_deliveries SET state = 'done', holder = NULL, error = NULL,
    ended_at = clock_timestamp()
WHERE seq = ANY($1::bigint[]) AND state = 'new'
"""

_FAILED = """
UPDATE webhook_deliveries AS d SET
    state = CASE WHEN given.delay IS NULL THEN 'dead' ELSE 'new' END,
    ended_at = CASE WHEN given.delay IS NULL THEN clock_timestamp() END,
    due_at = clock_timestamp() + make_interval(secs => coalesce(given.delay, 0)),
    holder = NULL, error = given.why
FROM unnest($1::bigint[], $2::text[], $3::float8[]) AS given (seq, why, delay)
WHERE d.seq = given.seq AND d.state = 'new'
"""

_BACKLOG = """
SELECT count(*) AS waiting,
    coalesce(extract(epoch FROM
        clock_timestamp() - min(greatest(received_at, requeued_at))), 0)::float8 AS oldest,
    (SELECT count(*) FROM webhook_deliveries WHERE state = 'dead') AS dead
FROM webhook_deliveries WHERE state = 'new'
"""

_REQUEUE = """
UPDATE webhook_deliveries SET state = 'new', attempts = 0, holder = NULL, ended_at = NULL,
    due_at = clock_timestamp(), requeued_at = clock_timestamp(), requeued_by = $2
WHERE seq = $1 AND state = 'dead'
RETURNING *
"""

_PRUNE = """
WITH old AS (
    SELECT seq FROM webhook_deliveries WHERE state <> 'new' AND ended_at < clock_timestamp()
        - make_interval(secs => 86400 * CASE state WHEN 'done' THEN $1::float8 ELSE $2 END)
    ORDER BY ended_at LIMIT $3
), gone AS (
    DELETE FROM webhook_deliveries USING old WHERE webhook_deliveries.seq = old.seq RETURNING 1
), forgotten AS (
    DELETE FROM webhook_hooks WHERE seen_at < clock_timestamp() - interval '30 days'
)
SELECT count(*) AS n FROM gone
"""


class PostgresDeliveries(Store):
    """Keep deliveries."""

    async def receive(self, arrived: Sequence[Delivery]) -> Sequence[bool]:
        """Make deliveries durable together; tell of each, in order, whether it is new."""
        first: dict[tuple[str, bytes], Delivery] = {}
        for delivery in arrived:
            first.setdefault((delivery.guid, delivery.digest), delivery)
        given = list(first.values())
        found = await self._fetch(
            _RECEIVE,
            [each.guid for each in given],
            [each.digest for each in given],
            [each.event for each in given],
            [each.action for each in given],
            [asks_to_json(each.asks) for each in given],
            [each.hook for each in given],
        )
        made = {(row["guid"], bytes(row["digest"])) for row in found}
        answers = []
        for delivery in arrived:
            key = (delivery.guid, delivery.digest)
            answers.append(key in made and first[key] is delivery)
        return answers

    async def claim(self, holder: str, limit: int, seconds: float) -> Sequence[Claimed]:
        """Take deliveries that are due, in order of arrival, for so many seconds."""
        found = await self._fetch(_CLAIM, holder, limit, float(seconds), MOST_ATTEMPTS)
        taken = [claimed(row) for row in found if row["state"] == "new"]
        return sorted(taken, key=lambda each: each.seq)

    async def settle(self, done: Sequence[int], failed: Sequence[Failure] = ()) -> None:
        """Say what became of claimed deliveries."""
        if not failed:
            await self._fetch(_DONE, list(done))
            return
        columns = (
            [each.seq for each in failed],
            [each.why[:_LONGEST_WHY].replace("\0", "\ufffd") for each in failed],
            [each.delay_seconds for each in failed],
        )

        async def work(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
            async with connection.transaction():
                await connection.execute(_DONE, list(done))
                await connection.execute(_FAILED, *columns)

        await self._run(work)

    async def known(self, guids: Collection[str]) -> frozenset[str]:
        """Return those of these ids that arrived, the dead left out."""
        sql = "SELECT guid FROM webhook_deliveries WHERE guid = ANY($1) AND state <> 'dead'"
        return frozenset(row["guid"] for row in await self._fetch(sql, list(guids)))

    async def hooks(self, limit: int) -> Sequence[str]:
        """Return the webhooks by which something came in the last three days."""
        sql = """
            SELECT path FROM webhook_hooks WHERE seen_at > clock_timestamp() - interval '3 days'
            ORDER BY seen_at DESC, path LIMIT $1
        """
        return [row["path"] for row in await self._fetch(sql, limit)]

    async def backlog(self) -> Backlog:
        """Count what waits and what was given up."""
        (row,) = await self._fetch(_BACKLOG)
        return Backlog(row["waiting"], row["dead"], max(0.0, row["oldest"]))

    async def page(
        self, state: DeliveryState | None, *, cursor: str | None = None, limit: int = 100
    ) -> DeliveryPage:
        """List deliveries, newest first."""
        # Written out, so that the partial index of those few that are new or dead serves.
        where = f"state = '{DeliveryState(state)}' AND" if state is not None else ""
        sql = f"""
            SELECT * FROM webhook_deliveries WHERE {where} seq < $1 ORDER BY seq DESC LIMIT $2
        """  # noqa: S608 - constants
        found = await self._fetch(sql, before(cursor), limit + 1)
        return DeliveryPage.of([kept(row) for row in found], limit)

    async def requeue(self, seq: int, by: str) -> KeptDelivery | None:
        """Let a dead one be tried again."""
        found = await self._fetch(_REQUEUE, seq, by)
        return kept(found[0]) if found else None

    async def prune(self, *, done_days: float, dead_days: float) -> int:
        """Remove what was done, or given up, so long ago; count it."""
        rows = await self._fetch(_PRUNE, float(done_days), float(dead_days), _PRUNE_BATCH)
        return int(rows[0]["n"])
