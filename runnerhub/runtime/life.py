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

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import trio

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

    def __init__(self, spec: AnySpec, registry: Registry) -> None:
        self.spec = spec
        self.started_at = trio.current_time()
        self.ended = trio.Event()
        self.stop_asked = False
        self._has_started = False
        self._scope = trio.CancelScope()
        self._registry = registry
        self._mailbox: Mailbox[Any] = Mailbox(spec.mailbox_size, owner=spec.name)
        self.ref: ActorRef[Any] = ActorRef(spec.name, spec.kind, self._mailbox)
        self.task: trio.lowlevel.Task | None = None
        self._task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED
        self.context: ActorContext[Any] = ActorContext(
            self.ref, self._mailbox, registry, self._started
        )

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
            with trio.move_on_after(spec.start_timeout) as patience:
                await nursery.start(self.live, on_end, name=spec.name)
        except NameTaken as error:
            self._end(error)
            raise
        except Exception as error:
            if self.ref.down is None:
                self._end(error)  # it had not one turn: the nursery takes nobody in any more
            raise StartFailed(f"{spec.name} failed to start: {error}") from error
        if patience.cancelled_caught:
            raise StartFailed(f"{spec.name} did not start within {spec.start_timeout:g} s")

    def stop(self) -> None:
        """Ask the actor to stop, and begin its shutdown budget. Wait for `ended` afterwards."""
        self.stop_asked = True
        self._mailbox.stop()
        deadline = trio.current_time() + self.spec.shutdown
        self._scope.deadline = min(self._scope.deadline, deadline)

    async def live(
        self,
        on_end: Callable[["Life"], None],
        *,
        task_status: trio.TaskStatus[Any],
    ) -> None:
        """Be the task of this life; `start_in` starts it."""
        leave_cleanup()
        self.task = trio.lowlevel.current_task()
        self._task_status = task_status
        error: Exception | None = None
        returned = False
        try:
            with self._scope:
                await self.spec.start(self.context)
                returned = True
        except Exception as crash:
            error = crash
            if not self._has_started:
                raise
        finally:
            self._end(error, returned=returned)
            if self._has_started:
                on_end(self)

    def _started(self, value: object) -> None:
        if not self._has_started:
            self._has_started = True
            self.ref.started_with = value
            self._task_status.started()

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
        self.ref.end(Down(self.spec.name, self.spec.kind, reason, error))
        self.ended.set()
