"""What happens to a job, each step a write that checks, moves, and writes history.

Steps under a fence are taken together with those of other jobs (`stepping`); what anybody may do
is a statement of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from runnerhub.adapters.postgres import rows, stepping
from runnerhub.adapters.postgres.gathering import Gathering
from runnerhub.adapters.postgres.stepping import Step
from runnerhub.adapters.postgres.store import Store
from runnerhub.model.job import TRANSITIONS, Job, Phase
from runnerhub.model.outcome import Verdict
from runnerhub.ports.ledger import NO_STAMPS
from runnerhub.runtime.bridge import Bridge

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

    def __init__(self, bridge: Bridge, url: str, *, connections: int = 10) -> None:
        super().__init__(bridge, url, connections=connections)
        self._steps: Gathering[Step, Job] = Gathering(
            bridge, self._take, apart=lambda step: step.job_id
        )

    async def close(self) -> None:
        """Close the connections; harmless when repeated."""
        await self._steps.close()
        await super().close()

    async def _take(self, steps: Sequence[Step]) -> Sequence[Job | Exception]:
        return await self._work(lambda connection: stepping.take(connection, steps))

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
        data, times = rows.dump({"stamps": list(stamped)}), rows.dump(stamped)
        return await self._steps.ask(Step(job_id, fence, attempt, before, to, to, data, times))

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
        return await self._steps.ask(
            Step(
                job_id,
                fence,
                attempt,
                _UNCONCLUDED,
                Phase.REAPING,
                "concluded",
                _told(verdict),
                rows.dump(dict(ago)),
                after=(Phase.REAPING, Phase.FINISHED),
                dead_letter=dead_letter,
            )
        )

    async def finish(self, job_id: str, fence: int, attempt: int) -> Job:
        """REAPING → FINISHED."""
        return await self._steps.ask(
            Step(
                job_id,
                fence,
                attempt,
                (Phase.REAPING,),
                Phase.FINISHED,
                "finished",
                ago='{"reaped":0}',
                after=(Phase.FINISHED,),
            )
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
        told = {"reason": reason, "explanation": rows.clean(explanation), "strike": strike}
        return await self._steps.ask(
            Step(
                job_id,
                fence,
                attempt,
                _UNCONCLUDED,
                Phase.QUEUED,
                "given_back",
                rows.dump(told),
                delay=float(delay_seconds),
            )
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


def _columns(verdict: Verdict) -> tuple[str, str, str, int | None]:
    return verdict.conclusion, verdict.reason, rows.clean(verdict.explanation), verdict.exit_code


def _told(verdict: Verdict) -> str:
    names = ("conclusion", "reason", "explanation", "exit_code")
    return rows.dump(dict(zip(names, _columns(verdict), strict=True)))
