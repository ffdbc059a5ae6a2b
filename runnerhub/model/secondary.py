"""GitHub's secondary limits, and how far below them we keep. Pure.

    100 requests in flight · 900 points a minute, GET 1 and a write 5 · content creation 80 a
    minute and 500 an hour · advised: a second between writes

There is no way to ask how much of them is left, so they are never approached closely.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from runnerhub.model.budget import Priority

READS = frozenset({"GET", "HEAD", "OPTIONS"})
WRITE_POINTS = 5

POINTS_PER_SECOND = 12.0
POINTS_AHEAD = {Priority.DISPATCH: 150, Priority.RECONCILE: 100, Priority.SYNC: 60}
IN_FLIGHT = {Priority.DISPATCH: 90, Priority.RECONCILE: 70, Priority.SYNC: 50}

STRIKE_SECONDS = 60.0
STRIKE_CAP_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate that a call must keep: a theoretical arrival time, as in GCRA.

    In any span of `s` seconds at most `(s + tolerance) / interval` units pass, and one call's.

    Attributes:
        key: which; unique within a credential.
        interval: seconds a unit.
        tolerance: seconds that units may come ahead of their time.
        units: what the call costs.
    """

    key: str
    interval: float
    tolerance: float
    units: int = 1

    def wait(self, arrival: float, now: float) -> float:
        """Return the seconds until the call may go: 0 for now.

        Args:
            arrival: the theoretical arrival time of the next unit.
            now: on the same clock.
        """
        cost = self.units * self.interval
        # A call that costs more than may come ahead goes when nothing is ahead.
        return max(0.0, max(arrival, now) + cost - max(self.tolerance, cost) - now)

    def after(self, arrival: float, now: float) -> float:
        """Return the theoretical arrival time once the call has gone."""
        return max(arrival, now) + self.units * self.interval


@dataclass(frozen=True, slots=True)
class SecondaryLimits:
    """What is configured of them.

    Attributes:
        write_spacing: seconds between writes of a kind.
        content: the kinds of writes that create content.
    """

    write_spacing: Mapping[str, float] = field(default_factory=dict)
    content: frozenset[str] = frozenset()


def points(method: str) -> int:
    """Return what a request counts for."""
    return 1 if method in READS else WRITE_POINTS


def rates(limits: SecondaryLimits, priority: Priority, method: str, kind: str) -> tuple[Rate, ...]:
    """Return the rates that a request must keep."""
    interval = 1.0 / POINTS_PER_SECOND
    found = [Rate("points", interval, POINTS_AHEAD[priority] * interval, points(method))]
    if method not in READS:
        if spacing := limits.write_spacing.get(kind, 0.0):
            found.append(Rate(f"write:{kind}", spacing, spacing))
        if kind in limits.content:
            found.append(Rate("content:minute", 1.0, 15.0))
            found.append(Rate("content:hour", 8.0, 45 * 8.0))
    return tuple(found)


def silence(strikes: int, retry_after: float | None) -> float:
    """Return the seconds to be silent after a refusal.

    Args:
        strikes: refusals in a row, this one included.
        retry_after: what GitHub said, in seconds.
    """
    if retry_after is not None:
        return max(1.0, retry_after)
    # Compared as exponents would overflow; four doublings reach the cap.
    return min(STRIKE_CAP_SECONDS, STRIKE_SECONDS * 2.0 ** min(10, strikes - 1))
