"""One life of one actor: from its start to its end, whatever the end may be.

                 started               stop                  budget over
    STARTING ─────────────▶ RUNNING ────────▶ STOPPING ─────────────────▶ (cancelled)
        │                      │                  │                            │
        └──────────────────────┴──────────────────┴────────────────────────────┴──▶ ENDED

The end is one synchronous step: the mailbox closes, askers are released, the name is free,
monitors are told. Nobody can observe half of it.

A life has a cancel scope of its own, and that scope's deadline is the shutdown budget. So trio
itself enforces the budget, whether or not anybody still waits for the stop.
"""

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import trio
from trio.lowlevel import Abort, RaiseCancelT, Task, current_task, reschedule

from runnerhub.runtime.actor import ActorContext
from runnerhub.runtime.cleanup import leave_cleanup
from runnerhub.runtime.errors import NameTaken, StartFailed
from runnerhub.runtime.mailbox import Mailbox
from runnerhub.runtime.monitor import Down, Reason
from runnerhub.runtime.ref import ActorRef
from runnerhub.runtime.registry import Registry
from runnerhub.runtime.spec import AnySpec


class Phase(StrEnum):
    """Where a life is."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"
    RESTARTING = "restarting"  # ended, and its supervisor is about to begin the next life


class Life:
    """Run an actor once."""

    __slots__ = (
        "_cancelled",
        "_ended",
        "_has_started",
        "_mailbox",
        "_registry",
        "_scope",
        "_starter",
        "_stop_by",
        "context",
        "ref",
        "spec",
        "started_at",
        "stop_asked",
        "task",
    )

    def __init__(self, spec: AnySpec, registry: Registry) -> None:
        self.spec = spec
        self.started_at = trio.current_time()
        self.stop_asked = False
        self._stop_by = math.inf
        self._ended: trio.Event | None = None
        self._has_started = False
        self._scope = trio.CancelScope()
        self._registry = registry
        self._mailbox: Mailbox[Any] = Mailbox(spec.mailbox_size, owner=spec.name)
        self.ref: ActorRef[Any] = ActorRef(spec.name, spec.kind, self._mailbox)
        self.task: Task | None = None
        self._starter: Task | None = None
        self._cancelled: RaiseCancelT | None = None  # raises the starter's cancellation
        self.context: ActorContext[Any] = ActorContext(
            self.ref, self._mailbox, registry, self._started
        )

    @property
    def ended(self) -> trio.Event:
        """Set at the end. Made when somebody wants to wait for it."""
        if self._ended is None:
            self._ended = trio.Event()
            if self.ref.down is not None:
                self._ended.set()
        return self._ended

    @property
    def phase(self) -> Phase:
        """Where this life is now."""
        if self.ref.down is not None:
            return Phase.ENDED
        if self._mailbox.stop_asked:
            return Phase.STOPPING
        return Phase.RUNNING if self._has_started else Phase.STARTING

    async def start_in(self, nursery: trio.Nursery, on_end: Callable[["Life"], None]) -> None:
        """Start the actor as a task of a nursery, and wait until it says that it has started.

        Cancelling this, before then, cancels the actor.

        Args:
            nursery: where the actor lives.
            on_end: called, without awaiting, at the end of a life that had started.

        Raises:
            StartFailed: it failed, returned or took too long before it had started.
            NameTaken: a living actor has its name.
        """
        spec = self.spec
        try:
            self._registry.add(self.ref)
            nursery.start_soon(self.live, on_end, name=spec.name)
        except NameTaken as error:
            self._end(error)
            raise
        except RuntimeError as error:  # the nursery takes nobody in any more
            self._end(error)
            raise StartFailed(f"{spec.name} failed to start: {error}") from error
        self._scope.deadline = trio.current_time() + spec.start_timeout
        self._starter = current_task()
        await trio.lowlevel.wait_task_rescheduled(self._cancel_start)
        if not self._has_started:
            self._raise_start_failed()

    def stop(self) -> None:
        """Ask the actor to stop, and begin its shutdown budget. Wait for `ended` afterwards."""
        self.stop_asked = True
        self._mailbox.stop()
        self._stop_by = min(self._stop_by, trio.current_time() + self.spec.shutdown)
        self._scope.deadline = min(self._scope.deadline, self._stop_by)

    async def live(self, on_end: Callable[["Life"], None]) -> None:
        """Be the task of this life; `start_in` starts it."""
        leave_cleanup()
        self.task = current_task()
        error: Exception | None = None
        returned = False
        try:
            with self._scope:
                await self.spec.start(self.context)
                returned = True
        except Exception as crash:  # noqa: BLE001 - the supervisor's, or the starter's, to handle
            error = crash
        finally:
            self._end(error, returned=returned)
            if self._has_started:
                on_end(self)
            else:
                self._release_starter()

    def _started(self, value: object) -> None:
        if not self._scope.cancel_called:
            self._has_started = True
            self._scope.deadline = self._stop_by
            self.ref.started_with = value
            self._release_starter()

    def _release_starter(self) -> None:
        if self._starter is not None:
            starter, self._starter = self._starter, None
            reschedule(starter)

    def _cancel_start(self, raise_cancel: RaiseCancelT) -> Abort:
        self._cancelled = raise_cancel
        self._scope.cancel()
        return Abort.FAILED  # the starter waits for the end

    def _raise_start_failed(self) -> None:
        name, down = self.spec.name, self.ref.down
        if down is not None and down.error is not None:
            raise StartFailed(f"{name} failed to start: {down.error}") from down.error
        if self._cancelled is not None:
            self._cancelled()
        if self._scope.cancelled_caught and not self.stop_asked:
            raise StartFailed(f"{name} did not start within {self.spec.start_timeout:g} s")
        raise StartFailed(f"{name} failed to start: it ended without calling started")

    def _end(self, error: Exception | None, *, returned: bool = False) -> None:
        if error is not None:
            reason = Reason.CRASHED
        elif not returned:
            reason = Reason.CANCELLED
        elif self._mailbox.stop_asked:
            reason = Reason.STOPPED
        else:
            reason = Reason.NORMAL
        self.task = None
        self.context.count_handled()
        self._mailbox.reader = None  # the two held each other: garbage that is found late
        self.ref.end(Down(self.spec.name, self.spec.kind, reason, error))
        if self._ended is not None:
            self._ended.set()
