"""Steps of jobs under a fence: many jobs', one each, in one statement.

    given ─▶ held: attempt, phase and the lease's token are right ─▶ moved ─▶ noted in the history
                └─ not held ─▶ was it done before? ─▶ the job as it stands, else StaleFence

Held is what the present token of the host's lease allows, with the lease locked FOR KEY SHARE, so
a step is ordered against a change of owner. The job's own `fence` is that of whoever leased it; an
owner that came back adopts the job under a higher token. Jobs are locked in the order of their
ids, so that two statements never wait for each other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from runnerhub.adapters.postgres import rows
from runnerhub.model.job import Job, Phase
from runnerhub.ports.errors import StaleFence

_STEP = """
WITH held AS (
    SELECT given.*, clock_timestamp() AS now FROM unnest(
        $1::text[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::jsonb[],
        $8::jsonb[], $9::boolean[], $10::float8[]
    ) AS given (id, fence, attempt, before, phase, kind, data, ago, dead_letter, delay)
    JOIN jobs ON jobs.id = given.id
    JOIN leases ON leases.resource = 'host:' || jobs.host
    WHERE leases.token = given.fence AND jobs.attempt = given.attempt
        AND jobs.phase = ANY(string_to_array(given.before, ' '))
    ORDER BY jobs.id
    FOR NO KEY UPDATE OF jobs FOR KEY SHARE OF leases
), moved AS (
    UPDATE jobs SET
        events = events + 1,
        phase = held.phase,
        conclusion = CASE held.kind WHEN 'concluded' THEN data ->> 'conclusion' ELSE conclusion END,
        reason = CASE held.kind WHEN 'concluded' THEN data ->> 'reason' ELSE reason END,
        explanation =
            CASE held.kind WHEN 'concluded' THEN data ->> 'explanation' ELSE explanation END,
        exit_code =
            CASE held.kind WHEN 'concluded' THEN (data ->> 'exit_code')::bigint ELSE exit_code END,
        dead_letter = coalesce(held.dead_letter, jobs.dead_letter),
        finished_at = CASE held.phase WHEN 'finished' THEN clock_timestamp() END,
        attempt = CASE held.phase WHEN 'queued' THEN jobs.attempt + 1 ELSE jobs.attempt END,
        strikes = strikes + coalesce((data ->> 'strike')::boolean, false)::integer,
        sandbox_id = CASE held.phase WHEN 'queued' THEN NULL ELSE sandbox_id END,
        host = CASE held.phase WHEN 'queued' THEN NULL ELSE host END,
        fence = CASE held.phase WHEN 'queued' THEN NULL ELSE jobs.fence END,
        not_before = clock_timestamp() + make_interval(secs => delay),
        timestamps = CASE held.phase
            WHEN 'queued' THEN jsonb_build_object('accepted', timestamps -> 'accepted')
            ELSE coalesce((
                SELECT jsonb_object_agg(key, extract(epoch FROM held.now) - value::float8)
                FROM jsonb_each_text(ago)
            ), '{}') || timestamps END
    FROM held WHERE jobs.id = held.id
    RETURNING jobs.*, held.attempt AS took, held.kind, held.data
), noted AS (
    INSERT INTO job_events (job_id, seq, kind, attempt, data)
    SELECT id, events, kind, took, data FROM moved
)
SELECT * FROM moved
"""

_STANDS = """
SELECT jobs.*, leases.token FROM jobs LEFT JOIN leases ON leases.resource = 'host:' || jobs.host
WHERE jobs.id = ANY($1)
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one job.

    Attributes:
        job_id: of the job.
        fence: of its host's lease.
        attempt: that takes the step.
        before: phases from which it may.
        to: the phase it takes the job to.
        kind: of the event.
        data: of the event, as JSON.
        ago: stamps, and how many seconds ago each was, as JSON. Those that the job has stay.
        after: phases in which the step was done before.
        dead_letter: whether the job is one, from now on.
        delay: of a job that is given back, in seconds.
    """

    job_id: str
    fence: int
    attempt: int
    before: Sequence[Phase]
    to: Phase
    kind: str
    data: str = "{}"
    ago: str = "{}"
    after: Collection[Phase] = ()
    dead_letter: bool | None = None
    delay: float | None = None


async def take(
    connection: Any,  # noqa: ANN401 - asyncpg has no types
    steps: Sequence[Step],
) -> Sequence[Job | Exception]:
    """Take steps of different jobs; return each job, or why it may not take its step."""
    moved = await connection.fetch(
        _STEP,
        [step.job_id for step in steps],
        [step.fence for step in steps],
        [step.attempt for step in steps],
        [" ".join(step.before) for step in steps],
        [step.to for step in steps],
        [step.kind for step in steps],
        [step.data for step in steps],
        [step.ago for step in steps],
        [step.dead_letter for step in steps],
        [step.delay for step in steps],
    )
    found = {row["id"]: row for row in moved}
    answers: dict[str, Job | Exception] = {job_id: rows.job(row) for job_id, row in found.items()}
    refused = [step for step in steps if step.job_id not in found]
    if refused:
        stand = await connection.fetch(_STANDS, [step.job_id for step in refused])
        found = {row["id"]: row for row in stand}
        answers |= {step.job_id: _done_before(step, found.get(step.job_id)) for step in refused}
    return [answers[step.job_id] for step in steps]


def _done_before(step: Step, row: Any) -> Job | StaleFence:  # noqa: ANN401 - asyncpg has no types
    if row is None:
        return StaleFence(f"there is no job {step.job_id}")
    if step.to is Phase.QUEUED:
        # Who gave it back is no longer known, and does not matter: it was this attempt.
        done = row["phase"] == Phase.QUEUED and row["attempt"] == step.attempt + 1
    else:
        ours = row["token"] == step.fence and row["attempt"] == step.attempt
        done = ours and row["phase"] in step.after
    if done:
        return rows.job(row)
    return StaleFence(
        f"job {step.job_id} is {row['phase']} on {row['host']} in attempt {row['attempt']} under"
        f" token {row['token']}; attempt {step.attempt} under token {step.fence} may not change it"
    )
