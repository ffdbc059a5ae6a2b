"""From what became of an attempt to a ledger that says so and an engine with nothing left."""

import random

import structlog
import trio

from runnerhub.actors.attempt import Attempt, Outcome
from runnerhub.actors.intake import enqueue
from runnerhub.actors.registration import deregister
from runnerhub.actors.sandbox import reap
from runnerhub.model.job import Conclusion, Phase
from runnerhub.model.outcome import LostAttempt, Verdict, with_note
from runnerhub.ports.errors import EngineRefused, EngineUnavailable, LedgerUnavailable
from runnerhub.runtime import CleanupTimeout, cleanup

log = structlog.get_logger(__name__)


async def end(attempt: Attempt, outcome: Outcome) -> None:
    """Conclude the job, or give it back for another attempt. Runs inside a clean-up.

    Raises:
        Detached, StaleFence: it is another node's to end.
    """
    await attempt.trust()
    await deregister(attempt)
    if isinstance(outcome, Verdict):
        ran = attempt.job.phase is Phase.RUNNING
        note = attempt.host.unkept(attempt.plan.execution) if ran else None
        await _conclude(attempt, with_note(outcome, note), dead_letter=False)
    elif attempt.job.strikes + 1 >= attempt.world.settings.max_attempts:
        words = f"given up after {attempt.job.attempt} attempts: {outcome.explanation}"
        verdict = Verdict(Conclusion.FAILURE, outcome.reason, words)
        await _conclude(attempt, verdict, dead_letter=True)
    else:
        await _give_back(attempt, outcome)


async def finish(attempt: Attempt, deadline_at: float) -> None:
    """Reap the sandbox of a concluded job: REAPING → FINISHED.

    Where it cannot be reaped by the deadline, which is that of the conclusion too, the job stays
    REAPING, and recovery sends another actor.
    """
    await attempt.trust()
    job, world = attempt.job, attempt.world
    try:
        with attempt.host.shelf.hurry():
            await reap(attempt.host.engine, attempt.plan, world.subnets, deadline_at=deadline_at)
        with cleanup(deadline_at):
            attempt.job = await world.ledger.finish(job.id, attempt.fence, job.attempt)
    except* (EngineUnavailable, EngineRefused, CleanupTimeout, LedgerUnavailable) as errors:
        log.warning("reaping put off", action="reap_put_off", job=job.id, why=str(errors))
    if attempt.job.phase is Phase.FINISHED:
        world.statistics.note(attempt.job)
        _release(attempt)


async def _conclude(attempt: Attempt, verdict: Verdict, *, dead_letter: bool) -> None:
    """Kill, let the log end, then write the conclusion: a completed job's log is whole."""
    job, world = attempt.job, attempt.world
    if attempt.host.reachable and not attempt.is_over:
        try:
            await attempt.host.engine.stop_container(attempt.plan.main, attempt.pool.stop_grace)
            if job.phase is Phase.RUNNING:
                with trio.move_on_after(attempt.budget / 2):
                    await attempt.pump.done.wait()
        except (EngineUnavailable, EngineRefused) as error:
            log.warning("could not stop", action="stop_failed", job=job.id, why=str(error))
    while True:
        try:
            attempt.job = await world.ledger.conclude(
                job.id,
                attempt.fence,
                job.attempt,
                verdict,
                dead_letter=dead_letter,
                ago=attempt.marked,
            )
        except LedgerUnavailable:
            await trio.sleep(0.5)
        else:
            world.logs_changed.notify(job.id)
            return


async def _give_back(attempt: Attempt, lost: LostAttempt) -> None:
    job, world, engine = attempt.job, attempt.world, attempt.host.engine
    if attempt.host.reachable:
        deadline_at = trio.current_time() + attempt.budget
        try:
            await reap(engine, attempt.plan, world.subnets, deadline_at=deadline_at)
        except* (EngineUnavailable, EngineRefused, CleanupTimeout):
            pass  # the sweep takes what is left: no live attempt names it any more
    jitter = random.uniform(0.8, 1.2)  # noqa: S311
    attempt.job = await world.ledger.give_back(
        job.id,
        attempt.fence,
        job.attempt,
        reason=lost.reason,
        explanation=lost.explanation,
        strike=True,
        delay_seconds=world.settings.retry_delay * 2**job.strikes * jitter,
    )
    _release(attempt)
    await enqueue(world, [attempt.job])  # else it waits for the queue to be reconciled


def _release(attempt: Attempt) -> None:
    attempt.host.forget(attempt.plan.sandbox_id)
    attempt.host.changed.notify(attempt.plan.main)
    attempt.world.logs_changed.notify(attempt.job.id)
    attempt.world.work.notify()
