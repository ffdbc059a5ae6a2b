"""What listeners of scale sets keep, in PostgreSQL."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from runnerhub.adapters.postgres.rows import Row, dump
from runnerhub.adapters.postgres.store import Store
from runnerhub.model.runner import RunnerWish
from runnerhub.model.scale_set_job import RequestState, ScaleSetJob, merge
from runnerhub.model.webhook_job import WorkflowJob, moment
from runnerhub.ports.errors import StaleFence

_MOST_RUNNERS = 10_000
_PRUNE_BATCH = 5000
_MOMENTS = ("created_at", "started_at", "completed_at")

# The row is there and locked before it is read, so that two nodes never decide at once.
_PLACE = """
INSERT INTO scale_set_jobs (scale_set, request_id)
SELECT $1, * FROM unnest($2::bigint[]) ON CONFLICT DO NOTHING
"""

_LOCK = """
SELECT * FROM scale_set_jobs WHERE scale_set = $1 AND request_id = ANY($2::bigint[])
ORDER BY request_id FOR UPDATE
"""

_WRITE = """
UPDATE scale_set_jobs AS j SET state = given.state, job_id = given.job_id,
    runner_name = given.runner_name, job = given.job
FROM jsonb_populate_recordset(NULL::scale_set_jobs, $2::jsonb) AS given
WHERE j.scale_set = $1 AND j.request_id = given.request_id
"""

_HEARD = """
UPDATE scale_set_jobs SET heard_at = clock_timestamp()
WHERE scale_set = $1 AND request_id = ANY($2::bigint[])
"""

_SETTLE = """
UPDATE scale_set_jobs SET state = CASE WHEN request_id = ANY($2::bigint[])
    THEN 'acquired' ELSE 'passed' END
WHERE scale_set = $1 AND request_id = ANY($2::bigint[] || $3::bigint[])
    AND state IN ('available', 'passed')
"""

_NOTE_SESSION = """
INSERT INTO scale_sets (name, fence, session_id) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET fence = $2, session_id = $3 WHERE scale_sets.fence <= $2
RETURNING 1
"""

_NOTE_RUNNER = """
INSERT INTO scale_set_runners (name, scope, scale_set) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""

_PRUNE = """
WITH old AS (
    SELECT scale_set, request_id FROM scale_set_jobs
    WHERE heard_at < clock_timestamp() - make_interval(secs => $1) LIMIT $2
), gone AS (
    DELETE FROM scale_set_jobs AS j USING old
    WHERE j.scale_set = old.scale_set AND j.request_id = old.request_id RETURNING 1
)
SELECT count(*) AS n FROM gone
"""


class PostgresScaleSets(Store):
    """Keep it: make it, then `open`, at the end `close`."""

    async def observe(self, scale_set: str, told: Sequence[ScaleSetJob]) -> Sequence[ScaleSetJob]:
        """Write down what was told, in order; return what changed, as it is now."""
        if not told:
            return ()
        return await self._run(lambda connection: _observe(connection, scale_set, told))

    async def available(self, scale_set: str, *, limit: int) -> Sequence[int]:
        """Return requests that were offered and not decided, the oldest first."""
        sql = """
            SELECT request_id FROM scale_set_jobs WHERE scale_set = $1 AND state = 'available'
            ORDER BY request_id LIMIT $2
        """
        return [row["request_id"] for row in await self._fetch(sql, scale_set, limit)]

    async def settle(
        self, scale_set: str, acquired: Collection[int], passed: Collection[int]
    ) -> None:
        """Note which offers are ours and which are not; what has come further stays as it is."""
        await self._fetch(_SETTLE, scale_set, sorted(acquired), sorted(passed))

    async def jobs_of(self, scale_set: str, runners: Collection[str]) -> Sequence[WorkflowJob]:
        """Return the jobs that were given to runners of these names."""
        sql = "SELECT * FROM scale_set_jobs WHERE scale_set = $1 AND runner_name = ANY($2)"
        rows = await self._fetch(sql, scale_set, list(runners))
        return [replace(_job(row).job, heard_at=row["heard_at"]) for row in rows]

    async def session(self, scale_set: str) -> str | None:
        """Return the id of the session that was opened last and is not known to be over."""
        found = await self._fetch("SELECT session_id FROM scale_sets WHERE name = $1", scale_set)
        return found[0]["session_id"] if found else None

    async def note_session(self, scale_set: str, fence: int, session_id: str | None) -> None:
        """Note the session under the token of the lease. Raises StaleFence for a lesser token."""
        if not await self._fetch(_NOTE_SESSION, scale_set, fence, session_id):
            raise StaleFence(f"another node listens to {scale_set}")

    async def note_runner(self, name: str, wish: RunnerWish) -> None:
        """Note a name before a runner is registered under it."""
        await self._fetch(_NOTE_RUNNER, name, wish.scope, wish.scale_set or 0)

    async def forget_runner(self, name: str) -> None:
        """Forget a name under which no runner is left."""
        await self._fetch("DELETE FROM scale_set_runners WHERE name = $1", name)

    async def noted_runners(self, scope: str) -> Mapping[str, RunnerWish]:
        """Return the names at a scope: scope and scale set of each wish are kept."""
        sql = "SELECT * FROM scale_set_runners WHERE scope = $1 ORDER BY noted_at LIMIT $2"
        rows = await self._fetch(sql, scope, _MOST_RUNNERS)
        return {row["name"]: RunnerWish(scope, scale_set=row["scale_set"]) for row in rows}

    async def prune(self, *, keep_days: float) -> int:
        """Remove jobs not heard of for so long; count them."""
        return int((await self._fetch(_PRUNE, keep_days * 86400.0, _PRUNE_BATCH))[0]["n"])


async def _observe(
    connection: Any,  # noqa: ANN401 - asyncpg has no types
    scale_set: str,
    told: Sequence[ScaleSetJob],
) -> Sequence[ScaleSetJob]:
    # In one order everywhere, so that two nodes never wait for each other.
    numbers = sorted({job.request_id for job in told})
    async with connection.transaction():
        await connection.execute(_PLACE, scale_set, numbers)
        rows = await connection.fetch(_LOCK, scale_set, numbers)
        known = {row["request_id"]: _job(row) for row in rows if row["state"]}
        changed: dict[int, ScaleSetJob] = {}
        for job in told:
            before = known.get(job.request_id)
            after = merge(before, job) if before else job
            if after != before:
                changed[job.request_id] = known[job.request_id] = after
        if changed:
            await connection.execute(
                _WRITE, scale_set, dump([_row(job) for job in changed.values()])
            )
        await connection.execute(_HEARD, scale_set, numbers)
    return list(changed.values())


def _row(job: ScaleSetJob) -> dict[str, Any]:
    plain = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(job.job).items()
        if value is not None
    }
    return {
        "request_id": job.request_id,
        "state": job.state,
        "job_id": job.job_id,
        "runner_name": job.job.runner_name,
        "job": plain,
    }


def _job(row: Row) -> ScaleSetJob:
    found = json.loads(row["job"])
    found["labels"] = tuple(found.get("labels", ()))
    found |= {name: moment(found[name]) for name in _MOMENTS if name in found}
    return ScaleSetJob(
        row["request_id"], RequestState(row["state"]), WorkflowJob(**found), row["job_id"]
    )
