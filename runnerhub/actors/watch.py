"""From a main container that runs to what became of it."""

import trio

from runnerhub.actors.attempt import Attempt, Detached, Outcome
from runnerhub.actors.wakeups import first_of, wait_before_asking_again
from runnerhub.model.handover import NEVER_HANDED_CODE
from runnerhub.model.job import Reason
from runnerhub.model.outcome import (
    KILLED_BY_RESTART,
    LostAttempt,
    Verdict,
    judge_exit,
    timed_out,
    with_log,
)
from runnerhub.ports.engine import ContainerState
from runnerhub.ports.errors import EngineRefused, EngineUnavailable

LOG_END_SECONDS = 120.0
REFUSALS = 10
ENGINE_STOP_SECONDS = 5.0
MEMORY_LOOKS, MEMORY_LOOK_SECONDS = 3, 0.15

NEVER_HANDED = LostAttempt(Reason.SANDBOX_LOST, "its sandbox ended before it was handed the job")
REMOVED = LostAttempt(Reason.SANDBOX_LOST, "the container was removed by somebody")


async def watch(attempt: Attempt) -> Outcome:
    """Watch to the end of the container and of its log, or of the job's time. Changes nothing.

    Raises:
        EngineUnavailable: the engine went away while something was asked; watch again.
        Detached, StaleFence, LedgerUnavailable: as `Attempt` says.
    """
    limit = attempt.job.spec.timeout_seconds
    with trio.move_on_after(max(0.0, limit - attempt.seconds_since_start())) as clock:
        outcome = await _until_it_ends(attempt)
    if clock.cancelled_caught:
        return timed_out(limit)
    if not isinstance(outcome, Verdict):
        return outcome
    with trio.move_on_after(LOG_END_SECONDS):
        await attempt.pump.done.wait()
        attempt.is_over = True
    if attempt.pump.says_never_handed and outcome.exit_code == NEVER_HANDED_CODE:
        return NEVER_HANDED
    return with_log(outcome, says_disk_full=attempt.pump.says_disk_full)


def lost_host(attempt: Attempt) -> LostAttempt:
    """Return what became of an attempt whose host is lost."""
    host = attempt.host
    return LostAttempt(Reason.HOST_LOST, f"{host.name} is lost: {host.detail}")


async def _until_it_ends(attempt: Attempt) -> Outcome:
    """Ask where there is a doubt alone.

    That is at first, at an event of the container, and where it was not seen running after a gap.
    """
    host, name, failures = attempt.host, attempt.plan.main, 0
    if attempt.tickets is not None:
        # What was just started is known to run until something is heard.
        (_, own), attempt.tickets = attempt.tickets, None
        await own.wait()
    while True:
        anything, own = host.changed.ticket(), host.changed.ticket(name)
        if host.lease is None:
            raise Detached(f"{host.name} is driven by another node")
        if host.lost:
            return lost_host(attempt)
        if not host.reachable:
            await first_of(anything, own)
            continue
        epoch = host.epoch
        try:
            async with host.questions:
                state = await host.engine.inspect_container(name)
        except (EngineUnavailable, EngineRefused) as error:
            failures += 1
            # An engine out of files, say, refuses even to tell. It says nothing of the job.
            if isinstance(error, EngineRefused) and failures > REFUSALS:
                raise
            await wait_before_asking_again(anything, failures)
            continue
        if state is None:
            return REMOVED
        if state.has_ended:
            return await _judge(attempt, state)
        attempt.epoch, failures = epoch, 0
        await own.wait()


def _is_of_this_connection(attempt: Attempt) -> bool:
    """Tell whether the container was seen running since the event stream was last joined."""
    host = attempt.host
    return attempt.epoch == host.epoch or attempt.plan.main in host.running


async def _judge(attempt: Attempt, state: ContainerState) -> Outcome:
    out_of_memory = state.out_of_memory
    if state.exit_code and not out_of_memory:
        out_of_memory = await _see_whether_memory_was_full(attempt)
    code = state.exit_code if state.exit_code is not None else -1
    if code in KILLED_BY_RESTART and attempt.plan.main in attempt.host.kills:
        await _see_whether_engine_stops(attempt)
    outcome = judge_exit(
        code,
        out_of_memory=out_of_memory,
        across_restart=not _is_of_this_connection(attempt),
    )
    if isinstance(outcome, Verdict):
        attempt.mark("exited")
    return outcome


async def _see_whether_memory_was_full(attempt: Attempt) -> bool:
    """Wait a moment for the engine to say so.

    Its flag on the container is set only where it heard of the kill before the end; its event
    comes in any case.
    """
    if attempt.plan.execution.resources.memory_mb is None:
        return False
    for _ in range(MEMORY_LOOKS):
        if attempt.plan.main in attempt.host.ooms:
            return True
        await trio.sleep(MEMORY_LOOK_SECONDS)
    return attempt.plan.main in attempt.host.ooms


async def _see_whether_engine_stops(attempt: Attempt) -> None:
    """Wait a while for the event stream to break.

    An engine that is stopped in order kills its containers, and says so, about a second
    before it goes away. Seen like that, its kill is no different from somebody's.
    """
    host = attempt.host
    with trio.move_on_after(ENGINE_STOP_SECONDS):
        while host.reachable and _is_of_this_connection(attempt):
            await host.changed.ticket().wait()
    while not host.reachable and not host.lost:
        await host.changed.ticket().wait()
