"""Accept jobs: all that arrived together in one INSERT."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from runnerhub.adapters.postgres import rows
from runnerhub.adapters.postgres.store import Store
from runnerhub.model.ids import JobIds
from runnerhub.model.job import Job, JobSpec
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.ports.ledger import Accepted, AcceptResult

Key = tuple[str, str]

_INSERT = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[])
        AS given (id, repository, external_id, spec, body_hash)
), made AS (
    INSERT INTO jobs
        (id, repository, external_id, spec, body_hash, retry_of, accepted_at, timestamps)
    SELECT id, repository, external_id, spec, body_hash, $6, now(),
        jsonb_build_object('accepted', extract(epoch FROM now()))
    FROM given
    ON CONFLICT (repository, external_id) DO NOTHING
    RETURNING id, accepted_at
), noted AS (
    INSERT INTO job_events (job_id, seq, at, kind, attempt)
    SELECT id, 1, accepted_at, 'accepted', 1 FROM made
)
SELECT * FROM made
"""

_EXISTING = """
SELECT jobs.* FROM jobs
JOIN unnest($1::text[], $2::text[]) AS given (repository, external_id)
USING (repository, external_id)
"""


class Accepting(Store):
    """The ledger's front door."""

    _ids = JobIds()

    async def accept(
        self, specs: Sequence[JobSpec], retry_of: str | None = None
    ) -> Sequence[Accepted]:
        """Accept jobs together, durably; one answer each, in order."""
        if not specs:
            return ()
        bodies = [rows.spec_to_json(spec) for spec in specs]
        hashes = [rows.body_hash(body) for body in bodies]
        keys: list[Key] = [(spec.repository, spec.external_id) for spec in specs]
        first: dict[Key, int] = {}
        for index, key in enumerate(keys):
            first.setdefault(key, index)
        ids = {key: self._ids.new(time.time_ns() // 1_000_000) for key in first}
        # In one order everywhere, so that two batches never wait for each other.
        order = sorted(first.items())
        columns: tuple[list[str], ...] = (
            [ids[key] for key, _ in order],
            [key[0] for key, _ in order],
            [key[1] for key, _ in order],
            [bodies[index] for _, index in order],
            [hashes[index] for _, index in order],
        )
        made, found = await self._run(lambda connection: _accept(connection, columns, retry_of))
        answers = []
        for index, key in enumerate(keys):
            row = found.get(key)
            if row is None:
                job_id, given = ids[key], hashes[first[key]]
                stamps = {"accepted": made[job_id]}
                job = Job(job_id, specs[first[key]], retry_of=retry_of, timestamps=stamps)
            else:
                job, given = rows.job(row), row["body_hash"]
            if given != hashes[index]:
                result = AcceptResult.CONFLICT
            elif row is None and first[key] == index:
                result = AcceptResult.CREATED
            else:
                result = AcceptResult.EXISTING
            answers.append(Accepted(result, job))
        return answers


async def _accept(
    connection: Any,  # noqa: ANN401 - asyncpg has no types
    columns: tuple[list[str], ...],
    retry_of: str | None,
) -> tuple[dict[str, datetime], dict[Key, Any]]:
    """Return when each new job was accepted, by id, and the rows of those that were there."""
    records = await connection.fetch(_INSERT, *columns, retry_of)
    made = {row["id"]: row["accepted_at"] for row in records}
    missing = {
        (repository, external_id)
        for job_id, repository, external_id in zip(*columns[:3], strict=True)
        if job_id not in made
    }
    if not missing:
        return made, {}
    repositories, external_ids = zip(*missing, strict=True)
    records = await connection.fetch(_EXISTING, repositories, external_ids)
    found = {(row["repository"], row["external_id"]): row for row in records}
    if missing - found.keys():
        raise LedgerUnavailable("a job was pruned while it was delegated again; try again")
    return made, found
