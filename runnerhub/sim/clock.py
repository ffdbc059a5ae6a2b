"""The clock of a simulated engine: trio's, written as RFC 3339."""

from datetime import UTC, datetime, timedelta

import trio

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class SimClock:
    """Trio's time since the first look at it, from the beginning of 2026 on."""

    def __init__(self) -> None:
        self._zero: float | None = None

    def now(self) -> float:
        """Return the time on trio's clock."""
        if self._zero is None:
            self._zero = trio.current_time()
        return trio.current_time()

    def text(self, at: float) -> str:
        """Write a time of trio's clock, with nine digits."""
        if self._zero is None:
            self._zero = at
        nanoseconds = round((at - self._zero) * 1e9)
        moment = _EPOCH + timedelta(seconds=nanoseconds // 10**9)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9:09d}Z"
