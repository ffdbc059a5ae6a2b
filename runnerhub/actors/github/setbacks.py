"""Pools whose runners fail before they get a job start no more for a while, ever longer."""

from dataclasses import dataclass, field

import trio

from runnerhub.model.fleet import Fleet
from runnerhub.model.job import Conclusion
from runnerhub.ports.ledger import Ledger

FIRST_SECONDS = 5.0
MOST_SECONDS = 300.0


@dataclass(slots=True)
class Setbacks:
    """What became of runners that are gone."""

    _pool_of: dict[str, str] = field(default_factory=dict)  # by our job's id, the unbound
    _strikes: dict[str, int] = field(default_factory=dict)
    _until: dict[str, float] = field(default_factory=dict)

    def held_back(self, now: float) -> frozenset[str]:
        """Return the pools that start no runners at this time of trio's clock."""
        return frozenset(pool for pool, until in self._until.items() if now < until)

    async def note(self, ledger: Ledger, fleet: Fleet) -> None:
        """Take note of who is gone since the last look. Raises LedgerUnavailable."""
        here = {runner.id: runner for runner in fleet.runners}
        for job_id in self._pool_of.keys() - here.keys():
            pool, job = self._pool_of[job_id], await ledger.job(job_id)
            del self._pool_of[job_id]
            if job is not None and job.conclusion is Conclusion.FAILURE:
                self._strike(pool)
        for runner in fleet.runners:
            wish = runner.spec.execution.runner
            if wish is None:
                continue
            if fleet.job_of(runner) is None:
                self._pool_of[runner.id] = wish.pool
            else:
                self._pool_of.pop(runner.id, None)
                self._strikes.pop(wish.pool, None)

    def _strike(self, pool: str) -> None:
        strikes = self._strikes[pool] = self._strikes.get(pool, 0) + 1
        pause = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** (strikes - 1))
        self._until[pool] = trio.current_time() + pause
