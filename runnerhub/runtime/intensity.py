"""How many restarts are too many, and how long to wait before the next. Pure: no clock of its own.

A restart heals broken state; it does not heal a dependency that is away. So restarts are counted
in a sliding window, and more of them than allowed are the parent's business.
"""

import random
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Backoff:
    """Grow the delay between attempts from `first` to `cap` seconds.

    Attributes:
        first: seconds before the first retry.
        factor: by which each delay is longer than the one before.
        cap: seconds that no delay exceeds.
        jitter: the share of the delay that is random, 0 to 1, so that equals do not retry in step.
    """

    first: float = 0.1
    factor: float = 2.0
    cap: float = 10.0
    jitter: float = 0.2

    def delay(self, attempt: int, rng: random.Random) -> float:
        """Return the seconds to wait before an attempt, counted from 1."""
        # Compared as exponents: factor ** attempt overflows after a thousand attempts.
        delay = self.first
        for _ in range(attempt - 1):
            delay *= self.factor
            if delay >= self.cap:
                break
        return min(delay, self.cap) * (1.0 - self.jitter * rng.random())


@dataclass(frozen=True, slots=True)
class RestartIntensity:
    """Allow `max_restarts` within any `within_seconds`, each after a delay."""

    max_restarts: int = 3
    within_seconds: float = 60.0
    backoff: Backoff = field(default_factory=Backoff)


class RestartWindow:
    """Count restarts against an intensity. It never holds more than `max_restarts` times."""

    def __init__(self, intensity: RestartIntensity, rng: random.Random | None = None) -> None:
        self.intensity = intensity
        self._rng = rng or random.Random()  # noqa: S311 - jitter is no secret
        self._times: deque[float] = deque()

    def admit(self, now: float) -> float | None:
        """Count a restart; return the seconds to wait before it, or None if it is one too many."""
        while self._times and self._times[0] <= now - self.intensity.within_seconds:
            self._times.popleft()
        if len(self._times) >= self.intensity.max_restarts:
            return None
        self._times.append(now)
        return self.intensity.backoff.delay(len(self._times), self._rng)
