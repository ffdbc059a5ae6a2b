"""One task that keeps the time of all asks of a run.

A cancel scope around every ask costs more than all the rest of it. Asks nearly always end in an
answer, so here an ask is only noted and crossed out again. The deadlines of asks with the same
timeout come in order: each timeout has a line of its own, and only heads are looked at.
"""

import math
from typing import Protocol

import trio


class TimeUp(Exception):
    """The time of an ask is up."""


class Asked(Protocol):
    """What waits for an answer. Hashed by identity."""

    def fail(self, error: Exception) -> None:
        """End the wait with an error."""


class Timekeeper:
    """Fails what has waited for too long with `TimeUp`. One serves a whole run."""

    def __init__(self) -> None:
        self._lines: dict[float, dict[Asked, float]] = {}
        self._sleep = trio.CancelScope()
        self._next_at = math.inf  # the deadline of that scope, which takes longer to read

    def add(self, asked: Asked, timeout: float) -> None:
        """Begin the time of an ask; `timeout` is in seconds."""
        deadline_at = trio.current_time() + timeout
        line = self._lines.get(timeout)
        if line is None:
            line = self._lines[timeout] = {}
        line[asked] = deadline_at
        if deadline_at < self._next_at:
            self._next_at = self._sleep.deadline = deadline_at

    def discard(self, asked: Asked, timeout: float) -> None:
        """Forget an ask. It was answered, or nobody waits for it any longer."""
        line = self._lines[timeout]
        del line[asked]
        if not line:
            del self._lines[timeout]

    async def keep(self) -> None:
        """Sleep until the next deadline, again and again, until the run ends.

        An ask that was answered leaves a deadline behind, and so at most one wake-up for each
        of the longest timeouts: nothing polls.
        """
        while True:
            with self._sleep:
                await trio.sleep_forever()
            self._next_at = self._expire(trio.current_time())
            self._sleep = trio.CancelScope(deadline=self._next_at)

    def _expire(self, now: float) -> float:
        """Fail all whose time is up; return the next deadline. Who was failed discards itself."""
        next_at = math.inf
        for line in self._lines.values():
            for asked, deadline_at in line.items():
                if deadline_at > now:
                    next_at = min(next_at, deadline_at)
                    break
                asked.fail(TimeUp())
        return next_at


_of_this_run: trio.lowlevel.RunVar[Timekeeper] = trio.lowlevel.RunVar("timekeeper")


def timekeeper() -> Timekeeper:
    """Return the timekeeper of this run, started when it is asked for first."""
    try:
        return _of_this_run.get()
    except LookupError:
        keeper = Timekeeper()
        _of_this_run.set(keeper)
        trio.lowlevel.spawn_system_task(keeper.keep, name="timekeeper")
        return keeper
