"""Let the host loop itself wait for what trio waits for.

By itself a guest run waits in a thread, and is woken from there: several switches between threads
for every event that comes alone, and the interpreter's lock between them.

    trio's own    tick ─▶ a thread blocks in epoll ─▶ the loop is woken ─▶ tick
    here          tick ─▶ the loop watches trio's epoll among its own  ─▶ tick

trio has no public way to ask for it, so this knows what its guest state looks like
(trio/_core/_run.py, `GuestState.guest_tick`). Where it looks otherwise, or there is no epoll,
trio's own way is taken: slower, and right.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import outcome
import trio
from sniffio import thread_local as current_library

_STATE = frozenset({"runner", "unrolled_run_gen", "unrolled_run_next_send", "done_callback"})
_RUNNER = frozenset({"io_manager", "guest_tick_scheduled", "main_task_outcome"})

# Timers of the host loop are only as fine as a millisecond.
_GRAIN_SECONDS = 0.001


class Ticks:
    """Run the ticks of one guest run on its host loop.

    Attributes:
        hosted: whether the loop waits for trio. False: a thread of trio's does.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.hosted = False
        self._loop = loop
        self._state: Any = None
        self._descriptor = -1
        self._readable = self._waiting = False
        self._due_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def soon(self, callback: Callable[[], object]) -> None:
        """Run a callback of trio's on the next turn: its first tick, and from then on our own."""
        state: Any = getattr(callback, "__self__", None)
        if not _is_known(state):
            self._loop.call_soon(callback)
            return
        self.hosted = True
        self._state = state
        self._descriptor = state.runner.io_manager._epoll.fileno()  # noqa: SLF001
        self._loop.add_reader(self._descriptor, self._on_readable)
        self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        state = self._state
        if self._readable:
            self._readable = False
            state.unrolled_run_next_send = outcome.capture(state.runner.io_manager.get_events, 0)
        previous, current_library.name = current_library.name, "trio"
        try:
            timeout = state.unrolled_run_next_send.send(state.unrolled_run_gen)
        except StopIteration:
            self._end(state.runner.main_task_outcome)
            return
        except trio.TrioInternalError as error:
            self._end(outcome.Error(error))
            return
        finally:
            current_library.name = previous
        state.unrolled_run_next_send = outcome.Value(())
        if timeout <= 0:
            state.runner.guest_tick_scheduled = True
            self._loop.call_soon(self._tick)
        else:
            self._wait(timeout)

    def _wait(self, timeout: float) -> None:
        # From here on whoever makes a task runnable wakes trio's epoll.
        self._state.runner.guest_tick_scheduled = False
        self._waiting = True
        self._due_at = self._loop.time() + timeout
        if self._timer is not None:
            if self._timer.when() <= self._due_at:
                return  # it is early, and is set again then
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due_at, self._on_time)

    def _on_readable(self) -> None:
        self._readable = True
        if self._waiting:
            self._go()

    def _on_time(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        left = self._due_at - self._loop.time()
        if left < _GRAIN_SECONDS / 2:
            self._go()
        else:
            self._timer = self._loop.call_later(max(left, _GRAIN_SECONDS), self._on_time)

    def _go(self) -> None:
        self._waiting = False
        self._state.runner.guest_tick_scheduled = True
        self._tick()

    def _end(self, result: outcome.Outcome[Any]) -> None:
        self._loop.remove_reader(self._descriptor)
        if self._timer is not None:
            self._timer.cancel()
        self._state.done_callback(result)


def _is_known(state: Any) -> bool:  # noqa: ANN401
    runner: Any = getattr(state, "runner", None)
    return (
        all(hasattr(state, name) for name in _STATE)
        and all(hasattr(runner, name) for name in _RUNNER)
        and hasattr(runner.io_manager, "_epoll")
    )
