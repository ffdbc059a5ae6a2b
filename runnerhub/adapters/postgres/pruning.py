"""Forget what is old."""

from collections.abc import Mapping
from typing import Any

from runnerhub.adapters.postgres.store import Store

_PRUNE_BATCH = 2000

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


class Pruning(Store):
    """Remove finished jobs, their events and their logs."""

    async def prune(self, *, keep_days: float, log_days: float) -> Mapping[str, int]:
        """Remove what is old, at most some thousands at a time; call again while it counts."""

        async def work(connection: Any) -> Mapping[str, int]:  # noqa: ANN401 - asyncpg has no types
            jobs = await connection.fetchval(_PRUNE_JOBS, keep_days * _DAY, _PRUNE_BATCH)
            logs = await connection.fetchval(_PRUNE_LOGS, log_days * _DAY, _PRUNE_BATCH)
            return {"jobs": jobs, "log_chunks": logs}

        return await self._run(work)
