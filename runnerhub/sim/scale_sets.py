"""What listeners of scale sets keep, in memory, for tests under a mock clock."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import trio

from runnerhub.model.runner import RunnerWish
from runnerhub.model.scale_set_job import RequestState, ScaleSetJob, merge
from runnerhub.model.webhook_job import WorkflowJob
from runnerhub.ports.errors import LedgerUnavailable, StaleFence

_UNDECIDED = (RequestState.AVAILABLE, RequestState.PASSED)


class MemoryScaleSets:
    """Keep it.

    Attributes:
        outage: while true, every method raises LedgerUnavailable.
        runners: the names that are noted.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._jobs: dict[tuple[str, int], tuple[ScaleSetJob, datetime]] = {}
        self._sessions: dict[str, tuple[int, str | None]] = {}
        self.runners: dict[str, RunnerWish] = {}
        self.outage = False

    async def observe(self, scale_set: str, told: Sequence[ScaleSetJob]) -> Sequence[ScaleSetJob]:
        """Write down what was told, in order; return what changed, as it is now."""
        now = await self._enter()
        changed: dict[int, ScaleSetJob] = {}
        for job in told:
            key = (scale_set, job.request_id)
            before = self._jobs[key][0] if key in self._jobs else None
            after = merge(before, job) if before else job
            if after != before:
                changed[job.request_id] = after
            self._jobs[key] = (after, now)
        return list(changed.values())

    async def available(self, scale_set: str, *, limit: int) -> Sequence[int]:
        """Return requests that were offered and not decided, the oldest first."""
        await self._enter()
        found = (
            number
            for (name, number), (job, _) in self._jobs.items()
            if name == scale_set and job.state is RequestState.AVAILABLE
        )
        return sorted(found)[:limit]

    async def settle(
        self, scale_set: str, acquired: Collection[int], passed: Collection[int]
    ) -> None:
        """Note which offers are ours and which are not; what has come further stays as it is."""
        await self._enter()
        for number in {*acquired, *passed}:
            job, heard_at = self._jobs.get((scale_set, number), (None, None))
            if job is not None and heard_at is not None and job.state in _UNDECIDED:
                state = RequestState.ACQUIRED if number in acquired else RequestState.PASSED
                self._jobs[scale_set, number] = (replace(job, state=state), heard_at)

    async def jobs_of(self, scale_set: str, runners: Collection[str]) -> Sequence[WorkflowJob]:
        """Return the jobs that were given to runners of these names."""
        await self._enter()
        return [
            replace(job.job, heard_at=heard_at)
            for (name, _), (job, heard_at) in self._jobs.items()
            if name == scale_set and job.job.runner_name in runners
        ]

    async def session(self, scale_set: str) -> str | None:
        """Return the id of the session that was opened last and is not known to be over."""
        await self._enter()
        return self._sessions.get(scale_set, (0, None))[1]

    async def note_session(self, scale_set: str, fence: int, session_id: str | None) -> None:
        """Note the session under the token of the lease. Raises StaleFence for a lesser token."""
        await self._enter()
        if self._sessions.get(scale_set, (0, None))[0] > fence:
            raise StaleFence(f"another node listens to {scale_set}")
        self._sessions[scale_set] = (fence, session_id)

    async def note_runner(self, name: str, wish: RunnerWish) -> None:
        """Note a name before a runner is registered under it."""
        await self._enter()
        self.runners.setdefault(name, RunnerWish(wish.scope, scale_set=wish.scale_set))

    async def forget_runner(self, name: str) -> None:
        """Forget a name under which no runner is left."""
        await self._enter()
        self.runners.pop(name, None)

    async def noted_runners(self, scope: str) -> Mapping[str, RunnerWish]:
        """Return the names at a scope: scope and scale set of each wish are kept."""
        await self._enter()
        return {name: wish for name, wish in self.runners.items() if wish.scope == scope}

    async def prune(self, *, keep_days: float) -> int:
        """Remove jobs not heard of for so long; count them."""
        before = await self._enter() - timedelta(days=keep_days)
        old = [key for key, (_, heard_at) in self._jobs.items() if heard_at < before]
        for key in old:
            del self._jobs[key]
        return len(old)

    async def _enter(self) -> datetime:
        await trio.lowlevel.checkpoint()
        if self.outage:
            raise LedgerUnavailable("the simulated PostgreSQL does not answer")
        return self._clock()
