"""How a rate limit is spent: who may draw it down how far, and when. Pure.

A class of requests may draw a bucket down to a floor, which falls while the window passes:

    floor(u) = limit * (base + slope * u)      u: share of the window that is left, 1 to 0

A strategy is a choice of `base` and `slope` for each class. `docs/github.md` explains them.
"""

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Priority(IntEnum):
    """What a request is for. The smaller goes first."""

    DISPATCH = 0  # a job waits for it
    RECONCILE = 1  # looking for what no webhook told, or what a person asked for
    SYNC = 2  # keeping a picture current


class BudgetStrategy(StrEnum):
    """How much is kept back for dispatching, and how the rest is spread."""

    CONSERVATIVE = "conservative"
    AGGRESSIVE = "aggressive"
    ADAPTIVE = "adaptive"


@dataclass(frozen=True, slots=True)
class Bucket:
    """What GitHub counts by: a credential and the resource it named in `x-ratelimit-resource`."""

    credential: str
    resource: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A floor: `limit * (base + slope * u)`. Both in 0 to 1, and so is their sum."""

    base: float = 0.0
    slope: float = 0.0

    def floor(self, limit: int, left_share: float) -> int:
        """Return what must remain after a call.

        Args:
            limit: calls in a window.
            left_share: share of the window that is left, 0 to 1.
        """
        # Rounded first, so that 0.2 * 5000 is no hair above 1000.
        return math.ceil(round(limit * (self.base + self.slope * left_share), 6))

    def wait(self, limit: int, remaining: int, left: float, window: float) -> float:
        """Return the seconds until one more call is above the floor: 0 for now.

        Args:
            limit: calls in a window.
            remaining: calls that are left of them.
            left: seconds to the reset.
            window: seconds that a window lasts.
        """
        if remaining - 1 >= self.floor(limit, min(1.0, left / window)):
            return 0.0
        if remaining < 1 or self.slope <= 0.0:
            return left
        share = ((remaining - 1) / limit - self.base) / self.slope
        return left if share < 0.0 else max(0.0, left - share * window)


RESERVE = {BudgetStrategy.CONSERVATIVE: 0.20, BudgetStrategy.AGGRESSIVE: 0.05}
ADAPTIVE_RESERVE = (0.02, 0.50)
SAFETY = 1.5  # how much more than the forecast is kept back

_SPREAD = {  # the share of what is not reserved that is let out evenly, for SYNC and RECONCILE
    BudgetStrategy.CONSERVATIVE: (1.0, 0.5),
    BudgetStrategy.AGGRESSIVE: (0.0, 0.0),
    BudgetStrategy.ADAPTIVE: (0.5, 0.25),
}


def reserve(strategy: BudgetStrategy, limit: int, left: float, dispatch_rate: float) -> float:
    """Return the share of the limit that SYNC leaves to others.

    Args:
        strategy: only `adaptive` looks at the rest.
        limit: calls in a window.
        left: seconds to the reset.
        dispatch_rate: calls a second that dispatching takes, on all nodes.
    """
    if strategy is not BudgetStrategy.ADAPTIVE:
        return RESERVE[strategy]
    least, most = ADAPTIVE_RESERVE
    return min(most, max(least, SAFETY * dispatch_rate * left / max(1, limit)))


def curve(
    strategy: BudgetStrategy,
    priority: Priority,
    *,
    limit: int = 1,
    left: float = 0.0,
    dispatch_rate: float = 0.0,
) -> Curve:
    """Return the floor of a class under a strategy; the arguments are those of `reserve`."""
    if priority is Priority.DISPATCH:
        return Curve()
    kept = reserve(strategy, limit, left, dispatch_rate)
    sync, reconcile = _SPREAD[strategy]
    if priority is Priority.RECONCILE:
        return Curve(kept / 2, (1 - kept / 2) * reconcile)
    return Curve(kept, (1 - kept) * sync)


def exhaustion(remaining: int, left: float, rate: float) -> float:
    """Return in how many seconds a bucket is used up, at so many calls a second.

    Infinity when it resets before that.
    """
    if rate <= 0.0 or remaining / rate >= left:
        return math.inf
    return remaining / rate


class DecayingRate:
    """Events a second, of which older ones count for less: half after `half_life` seconds."""

    def __init__(self, half_life: float = 300.0) -> None:
        self._decay = math.log(2.0) / half_life
        self._weight = 0.0
        self._at = 0.0

    def begin(self, rate: float, now: float) -> None:
        """Take a rate that was counted elsewhere for what has been."""
        self._weight, self._at = rate / self._decay, now

    def note(self, count: float, now: float) -> None:
        """Count events that happen now."""
        self._weight = self._weight_at(now) + count
        self._at = max(self._at, now)

    def at(self, now: float) -> float:
        """Return the rate."""
        return self._weight_at(now) * self._decay

    def _weight_at(self, now: float) -> float:
        return self._weight * math.exp(-self._decay * max(0.0, now - self._at))
