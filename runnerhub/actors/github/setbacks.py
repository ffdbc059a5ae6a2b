"""Pools whose runners fail before they get a job start no more for a while, ever longer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from runnerhub.model.fleet import Fleet
from runnerhub.model.job import Job

FIRST_SECONDS = 5.0
MOST_SECONDS = 300.0


@dataclass(slots=True)
class Setbacks:
    """Which pools wait, and until when."""

    _strikes: dict[str, int] = field(default_factory=dict)
    _until: dict[str, float] = field(default_factory=dict)

    def held_back(self, now: float) -> frozenset[str]:
        """Return the pools that start no runners at this time of trio's clock."""
        return frozenset(pool for pool, until in self._until.items() if now < until)

    def note(self, fleet: Fleet, failed: Sequence[Job], now: float) -> None:
        """Take note of runners that failed without a job, and of those that have one."""
        for runner in failed:
            if (wish := runner.spec.execution.runner) is not None:
                self._strike(wish.pool, now)
        for runner in fleet.runners:
            wish = runner.spec.execution.runner
            if wish is not None and fleet.job_of(runner) is not None:
                self._strikes.pop(wish.pool, None)

    def _strike(self, pool: str, now: float) -> None:
        strikes = self._strikes[pool] = self._strikes.get(pool, 0) + 1
        pause = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** (strikes - 1))
        self._until[pool] = now + pause
