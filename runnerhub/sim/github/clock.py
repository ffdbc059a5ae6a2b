"""The clock of the simulated GitHub: trio's, written as a date. What is due later, and bells."""

import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime

import trio

EPOCH = 1_790_000_000.0
_ROUNDING = 1e-6  # seconds since 1970 are exact to a quarter of that


class Clock:
    """Seconds since 1970, by trio's clock.

    Args:
        epoch: the date when this object is made; None for the real one.
    """

    def __init__(self, epoch: float | None = EPOCH) -> None:
        self._offset = (time.time() if epoch is None else epoch) - trio.current_time()

    def now(self) -> float:
        """Return the time."""
        return trio.current_time() + self._offset

    def on_trio(self, at: float) -> float:
        """Return a time as trio's clock has it; whoever waits for it finds it passed."""
        return at - self._offset + _ROUNDING

    def advance(self, seconds: float) -> None:
        """Leap ahead."""
        self._offset += seconds


def iso(at: float) -> str:
    """Write a time as GitHub does, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_fine(at: float) -> str:
    """Write a time to the microsecond, as the scale-set service does."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Bell:
    """Wakes whoever waits at it. It remembers nothing: look first, then wait."""

    def __init__(self) -> None:
        self._event: trio.Event | None = None

    def ring(self) -> None:
        """Wake all who wait."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Wait for the next ring. Cancelling it leaves nothing."""
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()


class Agenda:
    """What is to happen later.

    Attributes:
        bell: rung when something is added.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.bell = Bell()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._due, (when, next(self._order), act))
        self.bell.ring()

    def run_due(self) -> float | None:
        """Do what is due, and return when the next is."""
        while self._due and self._due[0][0] <= self.clock.now():
            heapq.heappop(self._due)[2]()
        return self._due[0][0] if self._due else None

    async def run(self) -> None:
        """Do things as they fall due, until cancelled."""
        while True:
            following = self.run_due()
            if following is None:
                await self.bell.wait()
                continue
            with trio.move_on_at(self.clock.on_trio(following)):
                await self.bell.wait()
