"""Runners that end before anything is known of a job of theirs: served or failed?

What ended well has in all likelihood had a job, of which GitHub is about to tell. What failed had
none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from runnerhub.model.fleet import is_going
from runnerhub.model.job import Conclusion, Job
from runnerhub.ports.ledger import Ledger


@dataclass(slots=True)
class Departures:
    """What became of runners without a job.

    Args:
        telling: seconds for which what ended well is remembered.
    """

    telling: float
    _unbound: dict[str, Job] = field(default_factory=dict)
    _ended: dict[str, tuple[Job, float]] = field(default_factory=dict)

    async def note(self, ledger: Ledger, runners: Sequence[Job], now: float) -> Sequence[Job]:
        """Take note of who has gone since the last look; return those that failed.

        Args:
            ledger: asked for the conclusion of each that is gone.
            runners: that are not FINISHED.
            now: on trio's clock.

        Raises:
            LedgerUnavailable: what was noted until then is kept.
        """
        self._ended = {key: each for key, each in self._ended.items() if each[1] > now}
        here = {runner.id: runner for runner in runners}
        failed = []
        for job_id in [key for key in self._unbound if key not in here or is_going(here[key])]:
            job = here.get(job_id) or await ledger.job(job_id)
            del self._unbound[job_id]
            if job is None:
                continue
            if job.conclusion is Conclusion.FAILURE:
                failed.append(job)
            elif job.conclusion is Conclusion.SUCCESS:
                self._ended[job_id] = job, now + self.telling
        return failed

    @property
    def ended(self) -> Sequence[Job]:
        """Those that ended well lately."""
        return [job for job, _ in self._ended.values()]

    def expect(self, runner: Job) -> None:
        """Note a runner that is wanted from now on: it may be gone before the next look."""
        self._unbound[runner.id] = runner

    def remain(self, unbound: Iterable[Job]) -> None:
        """Note which runners are there without a job."""
        self._unbound = {runner.id: runner for runner in unbound}
