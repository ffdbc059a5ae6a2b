"""Trio as a guest of an asyncio loop, and the one function that crosses between them.

    host thread   ┌── asyncio (or uvloop) loop ────────────────────────────────┐
                  │  asyncpg, redis, aiodocker          trio, tick by tick     │
                  │        ▲                                  │                │
                  │        └──── asyncio.Task ◀── bridge.call ┘                │
                  └────────────────────────────────────────────────────────────┘

Both run in the same thread, so a call costs one task and no lock. What must be kept in mind:

    - One crossing is one critical section. What must hold together, such as a transaction, is ONE
      asyncio function; a resource held across trio's awaits leaks on a cancel.
    - A cancelled call waits for its asyncio task to end. A library is never left in the middle
      of its own clean-up, unless that takes longer than the grace; then the hook decides, and
      a connection in doubt is discarded.
    - Trio's mock clock knows nothing of the host's time. No call crosses under it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

import outcome
import trio
from trio.lowlevel import Abort, RaiseCancelT, current_task, reschedule

from runnerhub.runtime.cleanup import shielded
from runnerhub.runtime.errors import BridgeClosed, CallCancelled

P = ParamSpec("P")
T = TypeVar("T")

GRACE_SECONDS = 10.0

OnAbandoned = Callable[[asyncio.Task[Any]], object]


@dataclass(frozen=True, slots=True)
class BridgeStatistics:
    """What has crossed the bridge."""

    calls: int
    in_flight: int
    abandoned: int


class Bridge:
    """Reach the asyncio loop that hosts this trio run. `run_guest` makes one.

    Args:
        loop: the host loop, of this same thread.
        grace_seconds: how long a cancelled call waits for its asyncio task.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self.loop = loop
        self.grace_seconds = grace_seconds
        self._closed = False
        self._calls = self._in_flight = self._abandoned = 0

    async def call(
        self,
        function: Callable[P, Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run an asyncio function as a task of the host loop and return its result.

        Cancelling it cancels that task and waits, up to the grace, for it to end. A result that
        it has by then is returned; the cancellation takes effect at the next checkpoint.

        Raises:
            Exception: what the function raised, with its traceback.
            CallCancelled: somebody on the asyncio side cancelled it.
            BridgeClosed: the guest run has ended.
        """
        return await self.call_or_abandon(None, function, *args, **kwargs)

    async def call_or_abandon(
        self,
        on_abandoned: OnAbandoned | None,
        function: Callable[P, Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `call`, and tell a hook if the cancelled task has not ended within the grace.

        Args:
            on_abandoned: called on the host loop with the task that still runs, to discard what
                it holds. It must not await.
            function: the asyncio function.
            *args: its positional arguments.
            **kwargs: its keyword arguments.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        task = self.start_task(_run(function, *args, **kwargs))
        waiter = current_task()
        cancelled_by: RaiseCancelT | None = None
        patience: asyncio.TimerHandle | None = None

        def ended(_: asyncio.Task[T]) -> None:
            if patience is not None:
                patience.cancel()
            reschedule(waiter, outcome.capture(_result, task, cancelled_by))

        def give_up(raise_cancel: RaiseCancelT) -> None:
            if task.done():
                return  # in this same turn of the loop: `ended` is on its way
            task.remove_done_callback(ended)
            self._abandon(task, on_abandoned)
            reschedule(waiter, outcome.capture(raise_cancel))

        def cancel(raise_cancel: RaiseCancelT) -> Abort:
            nonlocal cancelled_by, patience
            if task.cancel():
                cancelled_by = raise_cancel
                patience = self.loop.call_later(self.grace_seconds, give_up, raise_cancel)
            return Abort.FAILED

        task.add_done_callback(ended)
        self._calls += 1
        self._in_flight += 1
        try:
            return cast("T", await trio.lowlevel.wait_task_rescheduled(cancel))
        finally:
            self._in_flight -= 1

    def statistics(self) -> BridgeStatistics:
        """Return what has crossed so far, and what is crossing now."""
        return BridgeStatistics(self._calls, self._in_flight, self._abandoned)

    def close(self) -> None:
        """Refuse every further call. `run_guest` does this at the end."""
        self._closed = True

    def start_task(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task on the host loop. Whoever starts it sees to its end (`end_task`).

        Raises:
            BridgeClosed: the guest run has ended.
        """
        if self._closed:
            coroutine.close()
            raise BridgeClosed("the guest run of this bridge has ended")
        return self.loop.create_task(coroutine)

    async def end_task(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task of the host loop and wait for its end, up to the grace.

        Cancelling this has no effect until then.
        """
        ended = trio.Event()
        task.add_done_callback(lambda _: ended.set())
        task.cancel()
        with shielded(self.grace_seconds):
            await ended.wait()
        if not task.done():
            self._abandon(task, None)

    def _abandon(self, task: asyncio.Task[Any], hook: OnAbandoned | None) -> None:
        self._abandoned += 1
        task.add_done_callback(_forget_result)
        if hook is not None:
            hook(task)


async def _run(function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    # Even the call that makes the coroutine belongs to asyncio: libraries look around in it.
    return await function(*args, **kwargs)


def _result(task: asyncio.Task[T], cancelled_by: RaiseCancelT | None) -> T:
    if task.cancelled():
        if cancelled_by is None:
            raise CallCancelled("the host loop cancelled the call")
        cancelled_by()
    if cancelled_by is not None and (error := task.exception()) is not None:
        # It failed on its way out: that is the context of the cancellation, not its substitute.
        try:
            raise error
        finally:
            cancelled_by()
    return task.result()


def _forget_result(task: asyncio.Task[Any]) -> None:
    # Nobody waits for it any more; asyncio would complain about an error that nobody looked at.
    if not task.cancelled():
        task.exception()
