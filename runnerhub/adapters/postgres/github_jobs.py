"""GitHub's workflow jobs in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from runnerhub.adapters.postgres.deliveries import PostgresDeliveries
from runnerhub.adapters.postgres.store import Store
from runnerhub.adapters.postgres.webhook_rows import JOB_COLUMNS, jobs_to_json, workflow_job
from runnerhub.model.webhook_job import WorkflowJob, merge
from runnerhub.ports.github_jobs import QUEUE_HOURS

_PRUNE_BATCH = 5000

# The row is there and locked before it is read, so that two nodes never decide at once.
_PLACE = """
INSERT INTO github_jobs (id, repository)
SELECT * FROM unnest($1::bigint[], $2::text[]) AS given (id, repository)
ON CONFLICT (id) DO NOTHING
"""

_LOCK = "SELECT * FROM github_jobs WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE"

_WRITTEN = tuple(c for c in JOB_COLUMNS if c not in {"id", "first_seen_at", "heard_at"})

_WRITE = """
UPDATE github_jobs AS j SET {columns}, wants = given.wants, heard_at = clock_timestamp()
FROM jsonb_populate_recordset(NULL::github_jobs, $1::jsonb) AS given WHERE j.id = given.id
""".format(columns=", ".join(f"{name} = given.{name}" for name in _WRITTEN))

_HEARD = "UPDATE github_jobs SET heard_at = clock_timestamp() WHERE id = ANY($1::bigint[])"

_FRESH = f"""
    status = 'queued' AND coalesce(created_at, first_seen_at)
        > clock_timestamp() - interval '{QUEUE_HOURS} hours'
"""

_PRUNE = """
WITH old AS (
    SELECT id FROM github_jobs WHERE heard_at < clock_timestamp() - make_interval(secs => $1)
    ORDER BY heard_at LIMIT $2
), gone AS (
    DELETE FROM github_jobs USING old WHERE github_jobs.id = old.id RETURNING 1
)
SELECT count(*) AS n FROM gone
"""


class PostgresGitHubJobs(Store):
    """Keep workflow jobs."""

    async def observe(self, told: Sequence[WorkflowJob]) -> Sequence[WorkflowJob]:
        """Write down what was told of jobs, in order; return those that changed."""
        if not told:
            return ()
        return await self._run(lambda connection: _observe(connection, told))

    async def job(self, job_id: int) -> WorkflowJob | None:
        """Return a job; None when it was never heard of."""
        found = await self._fetch("SELECT * FROM github_jobs WHERE id = $1", job_id)
        return workflow_job(found[0]) if found else None

    async def queued_for(
        self, labels: Collection[str], *, limit: int = 100
    ) -> Sequence[WorkflowJob]:
        """Return jobs in queued that a runner with these labels may take, the oldest first."""
        sql = f"""
            SELECT * FROM github_jobs WHERE {_FRESH} AND wants <@ $1::text[] AND wants <> '{{}}'
            ORDER BY coalesce(created_at, first_seen_at), id LIMIT $2
        """  # noqa: S608 - constants
        wanted = [label.lower() for label in labels]
        return [workflow_job(row) for row in await self._fetch(sql, wanted, limit)]

    async def queued(self, after: int = 0, *, limit: int = 500) -> Sequence[WorkflowJob]:
        """Page through the jobs in queued by id."""
        sql = f"SELECT * FROM github_jobs WHERE {_FRESH} AND id > $1 ORDER BY id LIMIT $2"  # noqa: S608 - constants
        return [workflow_job(row) for row in await self._fetch(sql, after, limit)]

    async def with_runners(self, names: Collection[str]) -> Sequence[WorkflowJob]:
        """Return the jobs that GitHub gave to runners of these names, at most one each."""
        sql = """
            SELECT DISTINCT ON (runner_name) * FROM github_jobs WHERE runner_name = ANY($1)
            ORDER BY runner_name, id DESC
        """
        return [workflow_job(row) for row in await self._fetch(sql, list(names))]

    async def unheard(self, seconds: float, *, limit: int) -> Sequence[WorkflowJob]:
        """Return jobs that are not completed and were not heard of for so long."""
        sql = """
            SELECT * FROM github_jobs WHERE status <> 'completed'
                AND heard_at <= clock_timestamp() - make_interval(secs => $1)
            ORDER BY heard_at, id LIMIT $2
        """
        return [workflow_job(row) for row in await self._fetch(sql, float(seconds), limit)]

    async def heard(self, job_ids: Collection[int]) -> None:
        """Note that jobs were heard of just now."""
        await self._fetch(_HEARD, sorted(job_ids))

    async def repositories(self, days: float, *, limit: int) -> Sequence[str]:
        """Return the repositories of jobs heard of in these days, the latest first."""
        sql = """
            SELECT repository FROM github_jobs
            WHERE heard_at > clock_timestamp() - make_interval(secs => $1)
            GROUP BY repository ORDER BY max(heard_at) DESC, repository LIMIT $2
        """
        return [row["repository"] for row in await self._fetch(sql, days * 86400.0, limit)]

    async def known_runs(self, runs: Collection[int]) -> frozenset[int]:
        """Return those of these runs of which a job was heard."""
        sql = "SELECT DISTINCT run_id FROM github_jobs WHERE run_id = ANY($1::bigint[])"
        return frozenset(row["run_id"] for row in await self._fetch(sql, list(runs)))

    async def counts(self) -> Mapping[str, int]:
        """Count jobs by status, the completed left out."""
        sql = """
            SELECT status, count(*) AS n FROM github_jobs WHERE status <> 'completed'
            GROUP BY status
        """
        return {row["status"]: row["n"] for row in await self._fetch(sql)}

    async def prune_jobs(self, *, keep_days: float) -> int:
        """Remove jobs not heard of for so long; count them."""
        return int((await self._fetch(_PRUNE, keep_days * 86400.0, _PRUNE_BATCH))[0]["n"])


async def _observe(
    connection: Any,  # noqa: ANN401 - asyncpg has no types
    told: Sequence[WorkflowJob],
) -> Sequence[WorkflowJob]:
    # In one order everywhere, so that two nodes never wait for each other.
    repositories = dict(sorted((job.id, job.repository) for job in told))
    ids = list(repositories)
    async with connection.transaction():
        await connection.execute(_PLACE, ids, list(repositories.values()))
        rows = {row["id"]: row for row in await connection.fetch(_LOCK, ids)}
        known = {number: workflow_job(row) for number, row in rows.items() if row["status"]}
        changed: dict[int, WorkflowJob] = {}
        for job in told:
            before = known.get(job.id)
            after = merge(before, job) if before else job
            if after != before:
                changed[job.id] = known[job.id] = after
        if changed:
            await connection.execute(_WRITE, jobs_to_json(changed))
        if same := [number for number in ids if number not in changed]:
            await connection.execute(_HEARD, same)
    return [
        replace(job, first_seen_at=rows[number]["first_seen_at"], heard_at=rows[number]["heard_at"])
        for number, job in changed.items()
    ]


class PostgresWebhooks(PostgresDeliveries, PostgresGitHubJobs):
    """Deliveries and workflow jobs over one pool: make it, then `open`, at the end `close`."""
