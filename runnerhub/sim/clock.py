"""The clock of a simulated engine: trio's, written as a date."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import trio

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 10**9


class SimClock:
    """Trio's time since the first look at it.

    Args:
        epoch: the date of that first look.

    Attributes:
        now: returns the time on trio's clock.
    """

    def __init__(self, epoch: datetime = _EPOCH) -> None:
        self._epoch_ns = (epoch - _UNIX) // timedelta(microseconds=1) * 1000
        self._zero: float | None = None
        # It is read some sixty times for each container: hence not a method.
        self.now = self._look_first

    def _look_first(self) -> float:
        self.now = trio.lowlevel.current_clock().current_time
        now = self.now()
        if self._zero is None:
            self._zero = now
        return now

    def unix_ns(self, at: float) -> int:
        """Return a time of trio's clock as nanoseconds since 1970."""
        if self._zero is None:
            self._zero = at
        return self._epoch_ns + round((at - self._zero) * _SECOND)

    def text(self, at: float) -> str:
        """Write a time of trio's clock as RFC 3339 in UTC, with nine digits."""
        return rfc3339(self.unix_ns(at))


def rfc3339(unix_ns: int) -> str:
    """Write nanoseconds since 1970 as RFC 3339 in UTC, with nine digits."""
    seconds, nanoseconds = divmod(unix_ns, _SECOND)
    return f"{_to_the_second(seconds)}.{nanoseconds:09d}Z"


@lru_cache(maxsize=64)
def _to_the_second(unix: int) -> str:
    return (_UNIX + timedelta(seconds=unix)).isoformat()[:19]
