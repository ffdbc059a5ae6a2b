"""Logs, as compressed chunks; and forgetting what is old."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from runnerhub.adapters.postgres import rows
from runnerhub.adapters.postgres.store import Store
from runnerhub.model.logs import LogCursor
from runnerhub.ports.errors import StaleFence
from runnerhub.ports.ledger import LogChunk

_COMPRESSION = 1  # text shrinks well enough, and this thread has other work
_PRUNE_BATCH = 2000

_APPEND = """
WITH held AS (
    SELECT jobs.id, jobs.attempt FROM jobs JOIN leases ON leases.resource = 'host:' || jobs.host
    WHERE jobs.id = $1 AND leases.token = $2 AND jobs.attempt = $3
    FOR KEY SHARE OF leases
), put AS (
    INSERT INTO log_chunks (job_id, attempt, seq, at, size, data, cursor, marks)
    SELECT id, attempt, $4, coalesce($5, clock_timestamp()), $6, $7, $8, $9 FROM held
    ON CONFLICT DO NOTHING
)
SELECT id FROM held
"""

_END = """
SELECT max(seq) AS last, coalesce(sum(size), 0)::bigint AS bytes,
    (array_agg(cursor ORDER BY seq DESC))[1] AS cursor
FROM log_chunks WHERE job_id = $1 AND attempt = $2
"""

_PRUNE_JOBS = """
WITH old AS (
    SELECT id FROM jobs
    WHERE phase = 'finished' AND finished_at < clock_timestamp() - make_interval(secs => $1)
    ORDER BY finished_at LIMIT $2
), events AS (
    DELETE FROM job_events USING old WHERE job_id = old.id
), logs AS (
    DELETE FROM log_chunks USING old WHERE job_id = old.id
), gone AS (
    DELETE FROM jobs USING old WHERE jobs.id = old.id RETURNING 1
)
SELECT count(*) AS n FROM gone
"""

_PRUNE_LOGS = """
WITH old AS (
    SELECT chunk.job_id, chunk.attempt, chunk.seq
    FROM jobs JOIN log_chunks AS chunk ON chunk.job_id = jobs.id
    WHERE phase = 'finished' AND finished_at < clock_timestamp() - make_interval(secs => $1)
    LIMIT $2
), gone AS (
    DELETE FROM log_chunks USING old WHERE log_chunks.job_id = old.job_id
        AND log_chunks.attempt = old.attempt AND log_chunks.seq = old.seq RETURNING 1
)
SELECT count(*) AS n FROM gone
"""

_DAY = 86_400.0


class Logs(Store):
    """Logs of jobs."""

    async def append_log(self, chunk: LogChunk, fence: int) -> None:
        """Append the next chunk. The same seq again is ignored."""
        held = await self._fetch(
            _APPEND,
            chunk.job_id,
            fence,
            chunk.attempt,
            chunk.seq,
            chunk.at,
            len(chunk.data),
            zlib.compress(chunk.data, _COMPRESSION),
            rows.cursor_to_json(chunk.cursor),
            rows.dump(dict(chunk.marks)),
        )
        if not held:
            raise StaleFence(f"the log of job {chunk.job_id} is no longer written under {fence}")

    async def log_chunks(
        self, job_id: str, attempt: int, from_seq: int = 0, limit: int = 64
    ) -> Sequence[LogChunk]:
        """Return chunks in order."""
        found = await self._fetch(
            "SELECT * FROM log_chunks WHERE job_id = $1 AND attempt = $2 AND seq >= $3"
            " ORDER BY seq LIMIT $4",
            job_id,
            attempt,
            from_seq,
            limit,
        )
        return [
            LogChunk(
                job_id,
                attempt,
                row["seq"],
                zlib.decompress(row["data"]),
                rows.cursor_from_json(row["cursor"]),
                row["at"],
                json.loads(row["marks"]),
            )
            for row in found
        ]

    async def log_end(self, job_id: str, attempt: int) -> tuple[int, LogCursor, int]:
        """Return the next seq, the cursor behind the last chunk, and the bytes of the log."""
        row = (await self._fetch(_END, job_id, attempt))[0]
        if row["last"] is None:
            return 0, LogCursor(), 0
        return row["last"] + 1, rows.cursor_from_json(row["cursor"]), row["bytes"]

    async def prune(self, *, keep_days: float, log_days: float) -> Mapping[str, int]:
        """Remove what is old, at most some thousands at a time; call again while it counts."""

        async def work(connection: Any) -> Mapping[str, int]:  # noqa: ANN401 - asyncpg has no types
            jobs = await connection.fetchval(_PRUNE_JOBS, keep_days * _DAY, _PRUNE_BATCH)
            logs = await connection.fetchval(_PRUNE_LOGS, log_days * _DAY, _PRUNE_BATCH)
            return {"jobs": jobs, "log_chunks": logs}

        return await self._run(work)
