"""Take jobs for hosts: QUEUED → LEASED, under the tokens of the hosts' leases."""

from collections.abc import Sequence
from typing import Any

from runnerhub.adapters.postgres import rows
from runnerhub.adapters.postgres.store import Store
from runnerhub.model.job import Job
from runnerhub.ports.ledger import LeaseJob

_LEASE = """
WITH held AS (
    SELECT jobs.id, given.host, given.fence, given.sandbox_id
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
        AS given (id, host, fence, sandbox_id)
    JOIN jobs ON jobs.id = given.id
    JOIN leases ON leases.resource = 'host:' || given.host AND leases.token = given.fence
    WHERE jobs.phase = 'queued'
        AND (jobs.not_before IS NULL OR jobs.not_before <= clock_timestamp())
    ORDER BY jobs.id
    FOR NO KEY UPDATE OF jobs FOR KEY SHARE OF leases
), moved AS (
    UPDATE jobs SET events = events + 1, phase = 'leased', host = held.host, fence = held.fence,
        sandbox_id = held.sandbox_id, not_before = NULL, timestamps = timestamps
        || jsonb_build_object('claimed', extract(epoch FROM clock_timestamp()),
                              'placed', extract(epoch FROM clock_timestamp()))
    FROM held WHERE jobs.id = held.id
    RETURNING jobs.*
), noted AS (
    INSERT INTO job_events (job_id, seq, kind, attempt, data)
    SELECT id, events, 'leased', attempt,
        jsonb_build_object('host', host, 'fence', fence, 'sandbox_id', sandbox_id)
    FROM moved
)
SELECT * FROM moved
"""

# Taken by this very request, whose answer was lost.
_LEASED_BEFORE = """
SELECT jobs.* FROM jobs
JOIN unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
    AS given (id, host, fence, sandbox_id)
    ON given.id = jobs.id AND given.sandbox_id = jobs.sandbox_id
JOIN leases ON leases.resource = 'host:' || jobs.host AND leases.token = given.fence
WHERE jobs.phase = 'leased' AND jobs.host = given.host
"""


class Leasing(Store):
    """The first step of a job's life, taken by whoever drives a host."""

    async def lease_jobs(self, wanted: Sequence[LeaseJob]) -> Sequence[Job]:
        """Take jobs for hosts; those that this same request took before are among them."""
        if not wanted:
            return ()
        each = {want.job_id: want for want in reversed(wanted)}.values()
        columns = (
            [want.job_id for want in each],
            [want.host for want in each],
            [want.fence for want in each],
            [want.sandbox_id for want in each],
        )

        async def work(connection: Any) -> list[Any]:  # noqa: ANN401 - asyncpg has no types
            taken: list[Any] = await connection.fetch(_LEASE, *columns)
            if len(taken) < len(each):
                before = {row["id"] for row in taken}
                also = await connection.fetch(_LEASED_BEFORE, *columns)
                taken += [row for row in also if row["id"] not in before]
            return taken

        by_id = {row["id"]: rows.job(row) for row in await self._run(work)}
        return [
            by_id[job_id] for job_id in dict.fromkeys(w.job_id for w in wanted) if job_id in by_id
        ]
