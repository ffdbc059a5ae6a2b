"""Clean-up that runs although its task is cancelled: bounded, and by one deadline. The only shield.

In trio an `await` in the `finally` of a cancelled task does nothing. A shield lets it run, and
brings two dangers: a shield without a bound hangs for ever, and shields one inside another add
their bounds up. So a clean-up takes one absolute deadline, and those inside it share it: the
earliest of all deadlines around a clean-up is the one that counts.

A shield does not reach the tasks of a nursery that is cancelled already. Parallel clean-up goes
through `cleanup_together`, whose nursery stands inside the shield.
"""

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple, Unpack

import trio

from runnerhub.runtime.errors import CleanupTimeout

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_deadline_at: ContextVar[float] = ContextVar("cleanup_deadline_at", default=math.inf)


@dataclass(slots=True)
class Cleanup:
    """What became of a clean-up."""

    deadline_at: float
    timed_out: bool = False


@contextmanager
def cleanup(deadline_at: float) -> Iterator[Cleanup]:
    """Let the body run to its end, or to the deadline, whatever is cancelled around it.

    A cancellation from outside takes effect at the first checkpoint after the body. When the
    deadline cuts the body, that is no error here: read `timed_out`.

    Args:
        deadline_at: absolute, on trio's clock; an earlier one of a clean-up around it wins.
    """
    state = Cleanup(min(deadline_at, _deadline_at.get()))
    token = _deadline_at.set(state.deadline_at)
    try:
        with trio.CancelScope(deadline=state.deadline_at, shield=True) as scope:
            yield state
    finally:
        _deadline_at.reset(token)
        state.timed_out = scope.cancelled_caught


@contextmanager
def shielded(budget: float) -> Iterator[Cleanup]:
    """Let something that must not be torn, such as a create, run for up to `budget` seconds.

    As `cleanup`, with the deadline counted from now.
    """
    with cleanup(trio.current_time() + budget) as state:
        yield state


async def run_cleanup(
    function: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts, deadline_at: float
) -> T:
    """Run a function as a clean-up and return its result.

    Cancelling it has no effect until it is done.

    Raises:
        CleanupTimeout: the deadline cut it.
    """
    with cleanup(deadline_at):
        return await function(*args)
    raise CleanupTimeout(f"{getattr(function, '__qualname__', function)} was cut by its deadline")


async def cleanup_together(*functions: Callable[[], Awaitable[object]], deadline_at: float) -> None:
    """Run functions side by side as one clean-up; the failure of one does not stop the others.

    Cancelling it has no effect until all are done.

    Raises:
        ExceptionGroup: the failures, in the order in which they happened.
        CleanupTimeout: the deadline cut it, and nothing else failed.
    """
    failures: list[Exception] = []

    async def guarded(function: Callable[[], Awaitable[object]]) -> None:
        try:
            await function()
        except Exception as error:  # noqa: BLE001 - collected and raised below
            failures.append(error)

    with cleanup(deadline_at) as state:
        async with trio.open_nursery() as nursery:
            for function in functions:
                nursery.start_soon(guarded, function)
    if failures:
        raise ExceptionGroup("clean-up failed in part", failures)
    if state.timed_out:
        raise CleanupTimeout("clean-up was cut by its deadline")


def leave_cleanup() -> None:
    """Forget the deadline of whoever started this task: a new life owes it nothing."""
    if _deadline_at.get() != math.inf:  # to set it costs each task memory
        _deadline_at.set(math.inf)
