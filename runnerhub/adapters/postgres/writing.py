"""What happens to a job: each step one statement that checks, moves, and writes history.

A step under a fence locks the host's lease FOR KEY SHARE and compares its present token, so it
is ordered against a change of owner. The job's own `fence` is that of whoever leased it; an
owner that came back adopts the job under a higher token.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from runnerhub.adapters.postgres import rows
from runnerhub.adapters.postgres.store import Store
from runnerhub.model.job import TRANSITIONS, Job, Phase
from runnerhub.model.outcome import Verdict
from runnerhub.ports.errors import StaleFence
from runnerhub.ports.ledger import NO_STAMPS, LeaseJob

# $1 job, $2 fence, $3 attempt, $4 phases it may be in, $5 kind and $6 data of the event.
_FENCED = """
WITH held AS (
    SELECT jobs.id FROM jobs JOIN leases ON leases.resource = 'host:' || jobs.host
    WHERE jobs.id = $1 AND leases.token = $2 AND jobs.attempt = $3 AND jobs.phase = ANY($4)
    FOR NO KEY UPDATE OF jobs FOR KEY SHARE OF leases
), moved AS (
    UPDATE jobs SET events = events + 1, {sets} FROM held WHERE jobs.id = held.id
    RETURNING jobs.*
), noted AS (
    INSERT INTO job_events (job_id, seq, kind, attempt, data)
    SELECT id, events, $5, $3, $6::jsonb FROM moved
)
SELECT * FROM moved
"""

# $7 names of stamps, $8 how many seconds ago; those that the job has stay.
_STAMPED = (
    "timestamps = coalesce((SELECT jsonb_object_agg(name,"
    " extract(epoch FROM clock_timestamp()) - ago)"
    " FROM unnest($7::text[], $8::float8[]) AS stamp (name, ago)), '{}') || timestamps"
)
_ADVANCE = _FENCED.format(sets=f"phase = $9, {_STAMPED}")
_CONCLUDE = _FENCED.format(
    sets="phase = 'reaping', conclusion = $9, reason = $10, explanation = $11, exit_code = $12,"
    f" dead_letter = $13, {_STAMPED}"
)
_FINISH = _FENCED.format(
    sets="phase = 'finished', finished_at = clock_timestamp(), timestamps ="
    " jsonb_build_object('reaped', extract(epoch FROM clock_timestamp())) || timestamps"
)
_GIVE_BACK = _FENCED.format(
    sets="phase = 'queued', attempt = jobs.attempt + 1, strikes = strikes + $7::integer,"
    " sandbox_id = NULL, host = NULL, fence = NULL,"
    " not_before = clock_timestamp() + make_interval(secs => $8),"
    " timestamps = jsonb_build_object('accepted', timestamps -> 'accepted')"
)

_STANDS = """
SELECT jobs.*, leases.token FROM jobs LEFT JOIN leases ON leases.resource = 'host:' || jobs.host
WHERE jobs.id = $1
"""

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

_OPEN = """
WITH moved AS (
    UPDATE jobs SET events = events + 1, {sets} WHERE id = $1 AND {where} RETURNING *
), noted AS (
    INSERT INTO job_events (job_id, seq, kind, attempt, data)
    SELECT id, events, $2, attempt, $3::jsonb FROM moved
)
SELECT * FROM moved
"""

_CONCLUDE_QUEUED = _OPEN.format(
    sets="phase = 'finished', finished_at = clock_timestamp(), conclusion = $4, reason = $5,"
    " explanation = $6, exit_code = $7",
    where="phase = 'queued'",
)
_CANCEL = _OPEN.format(
    sets="cancel_requested = true",
    where="NOT cancel_requested AND conclusion IS NULL",
)

_UNCONCLUDED = (Phase.LEASED, Phase.PROVISIONING, Phase.RUNNING)


class Writing(Store):
    """The steps of a job's life."""

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

    async def advance(
        self,
        job_id: str,
        fence: int,
        attempt: int,
        to: Phase,
        *stamps: str,
        ago: Mapping[str, float] = NO_STAMPS,
    ) -> Job:
        """Move a job on, or let it stay, and set time stamps; those it has stay."""
        before = [to]
        if to in (Phase.PROVISIONING, Phase.RUNNING):
            before += [phase for phase, after in TRANSITIONS.items() if to in after]
        stamped = {**dict.fromkeys(stamps, 0.0), **ago}
        data = rows.dump({"stamps": list(stamped)})
        names, seconds = list(stamped), list(stamped.values())
        where = (job_id, fence, attempt)
        row = await self._fenced(_ADVANCE, where, before, to, data, names, seconds, to)
        return rows.job(row)

    async def conclude(
        self,
        job_id: str,
        fence: int,
        attempt: int,
        verdict: Verdict,
        *,
        dead_letter: bool = False,
        ago: Mapping[str, float] = NO_STAMPS,
    ) -> Job:
        """Write the conclusion; the first one stands."""
        where = (job_id, fence, attempt)
        after = (Phase.REAPING, Phase.FINISHED)
        args = (list(ago), list(ago.values()), *_columns(verdict), dead_letter)
        return rows.job(
            await self._fenced(
                _CONCLUDE, where, _UNCONCLUDED, "concluded", _told(verdict), *args, after=after
            )
        )

    async def finish(self, job_id: str, fence: int, attempt: int) -> Job:
        """REAPING → FINISHED."""
        where = (job_id, fence, attempt)
        after = (Phase.FINISHED,)
        return rows.job(
            await self._fenced(_FINISH, where, (Phase.REAPING,), "finished", "{}", after=after)
        )

    async def give_back(
        self,
        job_id: str,
        fence: int,
        attempt: int,
        *,
        reason: str,
        explanation: str,
        strike: bool,
        delay_seconds: float,
    ) -> Job:
        """Back to QUEUED, as a new attempt."""
        data = rows.dump(
            {"reason": reason, "explanation": rows.clean(explanation), "strike": strike}
        )
        where = (job_id, fence, attempt)
        args = (int(strike), float(delay_seconds))
        return rows.job(
            await self._fenced(_GIVE_BACK, where, _UNCONCLUDED, "given_back", data, *args)
        )

    async def conclude_queued(self, job_id: str, verdict: Verdict) -> Job | None:
        """QUEUED → FINISHED."""
        found = await self._fetch(
            _CONCLUDE_QUEUED, job_id, "concluded", _told(verdict), *_columns(verdict)
        )
        return rows.job(found[0]) if found else None

    async def request_cancel(self, job_id: str) -> Job | None:
        """Note that a user wants a job cancelled."""

        async def work(connection: Any) -> Any:  # noqa: ANN401 - asyncpg has no types
            row = await connection.fetchrow(_CANCEL, job_id, "cancel_requested", "{}")
            return row or await connection.fetchrow("SELECT * FROM jobs WHERE id = $1", job_id)

        row = await self._run(work)
        return rows.job(row) if row else None

    async def _fenced(
        self,
        sql: str,
        where: tuple[str, int, int],
        before: Sequence[Phase],
        kind: str,
        data: str,
        *args: object,
        after: Sequence[Phase] = (),
    ) -> Any:  # noqa: ANN401 - asyncpg has no types
        """Do a fenced step; return the job where the step was done before."""
        job_id, fence, attempt = where

        async def work(connection: Any) -> Any:  # noqa: ANN401 - asyncpg has no types
            row = await connection.fetchrow(sql, *where, list(before), kind, data, *args)
            if row is not None:
                return row
            row = await connection.fetchrow(_STANDS, job_id)
            if row is None:
                raise StaleFence(f"there is no job {job_id}")
            if sql is _GIVE_BACK:
                # Who gave it back is no longer known, and does not matter: it was this attempt.
                if row["phase"] == Phase.QUEUED and row["attempt"] == attempt + 1:
                    return row
            elif row["token"] == fence and row["attempt"] == attempt and row["phase"] in after:
                return row
            raise StaleFence(
                f"job {job_id} is {row['phase']} on {row['host']} in attempt {row['attempt']} under"
                f" token {row['token']}; attempt {attempt} under token {fence} may not change it"
            )

        return await self._run(work)


def _columns(verdict: Verdict) -> tuple[str, str, str, int | None]:
    return verdict.conclusion, verdict.reason, rows.clean(verdict.explanation), verdict.exit_code


def _told(verdict: Verdict) -> str:
    names = ("conclusion", "reason", "explanation", "exit_code")
    return rows.dump(dict(zip(names, _columns(verdict), strict=True)))
