"""The ledger in memory, for tests under a mock clock. The contract suite holds it to the port."""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from runnerhub.model.ids import JobIds, is_job_id
from runnerhub.model.job import TRANSITIONS, Job, JobEvent, JobSpec, Phase, Status
from runnerhub.model.outcome import Verdict
from runnerhub.ports.errors import StaleFence
from runnerhub.ports.ledger import NO_STAMPS, Accepted, AcceptResult, JobPage, LeaseJob, Standing
from runnerhub.sim.ledger_store import MemoryStore

_UNCONCLUDED = frozenset({Phase.LEASED, Phase.PROVISIONING, Phase.RUNNING})


class MemoryLedger(MemoryStore):
    """A ledger in memory.

    Args:
        clock: the store's clock, with a time zone.

    Attributes:
        outage: while true, every method raises LedgerUnavailable.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self._cluster_id = secrets.token_hex(6)
        self._ids = JobIds()
        self._by_key: dict[tuple[str, str], str] = {}

    async def cluster_id(self) -> str:
        """Return this ledger's cluster id."""
        await self._enter()
        return self._cluster_id

    async def accept(
        self, specs: Sequence[JobSpec], retry_of: str | None = None
    ) -> Sequence[Accepted]:
        """Accept jobs together; one answer each, in order."""
        await self._enter()
        answers = []
        for spec in specs:
            key = (spec.repository, spec.external_id)
            if key in self._by_key:
                job = self._jobs[self._by_key[key]]
                same = job.spec == spec
                result = AcceptResult.EXISTING if same else AcceptResult.CONFLICT
                answers.append(Accepted(result, job))
                continue
            now = self._clock()
            job = Job(
                self._ids.new(int(now.timestamp() * 1000)),
                spec,
                retry_of=retry_of,
                timestamps={"accepted": now},
            )
            self._by_key[key] = job.id
            answers.append(Accepted(AcceptResult.CREATED, self._write(job, "accepted")))
        return answers

    async def job(self, job_id: str) -> Job | None:
        """Return a job; None when there is none."""
        await self._enter()
        return self._jobs.get(job_id)

    async def jobs(
        self,
        *,
        status: Status | None = None,
        repository: str | None = None,
        dead_letters: bool = False,
        cursor: str | None = None,
        limit: int = 100,
    ) -> JobPage:
        """List jobs, newest first."""
        await self._enter()
        if cursor is not None and not is_job_id(cursor):
            raise ValueError("this is no cursor of ours; take next_cursor of the last page")
        found = [
            job
            for job_id, job in sorted(self._jobs.items(), reverse=True)
            if (status is None or job.status is status)
            and (repository is None or job.spec.repository == repository)
            and (job.dead_letter or not dead_letters)
            and (cursor is None or job_id < cursor)
        ]
        page = found[:limit]
        return JobPage(page, page[-1].id if page and len(found) > limit else None)

    async def events(self, job_id: str) -> Sequence[JobEvent]:
        """Return a job's history, in order."""
        await self._enter()
        return tuple(self._events.get(job_id, ()))

    async def queued(self, after: str | None, limit: int) -> Sequence[Job]:
        """Page through the jobs in QUEUED by id."""
        await self._enter()
        waiting = (job for _, job in sorted(self._jobs.items()) if job.phase is Phase.QUEUED)
        return [job for job in waiting if job.id > (after or "")][:limit]

    async def standing(
        self, hosts: Collection[str], after: str | None, limit: int
    ) -> Sequence[Standing]:
        """Page by job id through where the jobs from LEASED to REAPING on these hosts stand."""
        await self._enter()
        found = sorted(
            Standing(job.id, job.host, job.sandbox_id, job.phase, job.cancel_requested)
            for job in self._active()
            if job.host is not None and job.host in hosts and job.sandbox_id is not None
        )
        found = [at for at in found if after is None or at.job_id > after]
        return found[:limit]

    async def active(self, hosts: Collection[str], job_ids: Collection[str]) -> Sequence[Job]:
        """Return those of these jobs that are from LEASED to REAPING on these hosts."""
        await self._enter()
        return [job for job in self._active() if job.id in job_ids and job.host in hosts]

    async def open_runners(self) -> Sequence[Job]:
        """Return the jobs that are, or are to become, runners and are not FINISHED."""
        await self._enter()
        found = [
            job
            for job in self._jobs.values()
            if job.phase is not Phase.FINISHED and job.spec.execution.runner is not None
        ]
        return sorted(found, key=lambda job: job.id)[:10_000]

    async def live_sandboxes(self, host: str) -> frozenset[str]:
        """Return the sandbox ids of the attempts from LEASED to REAPING on a host."""
        await self._enter()
        return frozenset(
            job.sandbox_id for job in self._active() if job.host == host and job.sandbox_id
        )

    async def lease_jobs(self, wanted: Sequence[LeaseJob]) -> Sequence[Job]:
        """Take jobs for hosts; those that this same request took before are among them."""
        await self._enter()
        taken: dict[str, Job] = {}
        for want in wanted:
            job = self._jobs.get(want.job_id)
            if job is None or job.id in taken or self._token(want.host) != want.fence:
                continue
            now = self._clock()
            if job.phase is Phase.LEASED and job.sandbox_id == want.sandbox_id:
                taken[job.id] = job
            elif job.phase is Phase.QUEUED and (job.not_before is None or job.not_before <= now):
                data: dict[str, Any] = {
                    "host": want.host,
                    "fence": want.fence,
                    "sandbox_id": want.sandbox_id,
                }
                stamps = {**job.timestamps, "claimed": now, "placed": now}
                changed = replace(
                    job, phase=Phase.LEASED, not_before=None, timestamps=stamps, **data
                )
                taken[job.id] = self._write(changed, "leased", data)
        return list(taken.values())

    async def advance(
        self,
        job_id: str,
        fence: int,
        attempt: int,
        to: Phase,
        *stamps: str,
        ago: Mapping[str, float] = NO_STAMPS,
    ) -> Job:
        """Move a job on, or let it stay, and set time stamps; those it has stay."""
        await self._enter()
        before = {to}
        if to in (Phase.PROVISIONING, Phase.RUNNING):
            before |= {phase for phase, after in TRANSITIONS.items() if to in after}
        job = self._fenced(job_id, fence, attempt, before)
        stamped = {**dict.fromkeys(stamps, 0.0), **ago}
        times = {**self._times(stamped), **job.timestamps}
        return self._write(replace(job, phase=to, timestamps=times), to, {"stamps": list(stamped)})

    async def conclude(
        self,
        job_id: str,
        fence: int,
        attempt: int,
        verdict: Verdict,
        *,
        dead_letter: bool = False,
        ago: Mapping[str, float] = NO_STAMPS,
    ) -> Job:
        """Write the conclusion; the first one stands."""
        await self._enter()
        job = self._fenced(job_id, fence, attempt, set(Phase))
        if job.phase not in _UNCONCLUDED:
            return job
        times = {**self._times(ago), **job.timestamps}
        changed = replace(
            job, phase=Phase.REAPING, dead_letter=dead_letter, timestamps=times, **_told(verdict)
        )
        return self._write(changed, "concluded", _told(verdict))

    def _times(self, ago: Mapping[str, float]) -> dict[str, datetime]:
        now = self._clock()
        return {name: now - timedelta(seconds=seconds) for name, seconds in ago.items()}

    async def finish(self, job_id: str, fence: int, attempt: int) -> Job:
        """REAPING → FINISHED."""
        await self._enter()
        job = self._fenced(job_id, fence, attempt, {Phase.REAPING, Phase.FINISHED})
        if job.phase is Phase.FINISHED:
            return job
        stamps = {"reaped": self._clock(), **job.timestamps}
        self._finished[job_id] = self._clock()
        return self._write(replace(job, phase=Phase.FINISHED, timestamps=stamps), "finished")

    async def give_back(
        self,
        job_id: str,
        fence: int,
        attempt: int,
        *,
        reason: str,
        explanation: str,
        strike: bool,
        delay_seconds: float,
    ) -> Job:
        """Back to QUEUED, as a new attempt."""
        await self._enter()
        job = self._jobs.get(job_id)
        if job and job.phase is Phase.QUEUED and job.attempt == attempt + 1:
            return job
        job = self._fenced(job_id, fence, attempt, _UNCONCLUDED)
        changed = replace(
            job,
            phase=Phase.QUEUED,
            attempt=attempt + 1,
            strikes=job.strikes + strike,
            sandbox_id=None,
            host=None,
            fence=None,
            not_before=self._clock() + timedelta(seconds=delay_seconds),
            timestamps={"accepted": job.timestamps["accepted"]},
        )
        data = {"reason": reason, "explanation": explanation, "strike": strike}
        return self._write(changed, "given_back", data, attempt)

    async def conclude_queued(self, job_id: str, verdict: Verdict) -> Job | None:
        """QUEUED → FINISHED."""
        await self._enter()
        job = self._jobs.get(job_id)
        if job is None or job.phase is not Phase.QUEUED:
            return None
        self._finished[job_id] = self._clock()
        changed = replace(job, phase=Phase.FINISHED, **_told(verdict))
        return self._write(changed, "concluded", _told(verdict))

    async def request_cancel(self, job_id: str) -> Job | None:
        """Note that a user wants a job cancelled."""
        await self._enter()
        job = self._jobs.get(job_id)
        if job is None or job.cancel_requested or job.conclusion is not None:
            return job
        return self._write(replace(job, cancel_requested=True), "cancel_requested")

    async def expired_in_queue(self, older_than_seconds: float, limit: int) -> Sequence[str]:
        """Return ids of QUEUED jobs that were accepted longer ago than this."""
        await self._enter()
        before = self._clock() - timedelta(seconds=older_than_seconds)
        return [
            job.id
            for _, job in sorted(self._jobs.items())
            if job.phase is Phase.QUEUED and job.timestamps["accepted"] < before
        ][:limit]

    async def queue_depths(self) -> Mapping[str, int]:
        """Count jobs by phase, FINISHED left out."""
        await self._enter()
        depths: dict[str, int] = {}
        for job in self._jobs.values():
            if job.phase is not Phase.FINISHED:
                depths[job.phase.value] = depths.get(job.phase.value, 0) + 1
        return depths

    async def prune(self, *, keep_days: float, log_days: float) -> Mapping[str, int]:
        """Remove what is old; count it."""
        await self._enter()
        jobs = self._older(keep_days)
        chunks = 0
        for job_id in self._older(log_days) | jobs:
            for key in [key for key in self._logs if key[0] == job_id]:
                chunks += len(self._logs.pop(key)) * (job_id not in jobs)
        for job_id in jobs:
            spec = self._jobs.pop(job_id).spec
            del self._by_key[spec.repository, spec.external_id]
            del self._events[job_id], self._finished[job_id]
        return {"jobs": len(jobs), "log_chunks": chunks}

    def _fenced(self, job_id: str, fence: int, attempt: int, phases: Collection[Phase]) -> Job:
        job = self._jobs.get(job_id)
        if job is None or job.host is None or self._token(job.host) != fence:
            raise StaleFence(f"job {job_id} is not under token {fence}")
        if job.attempt != attempt or job.phase not in phases:
            raise StaleFence(f"job {job_id} is {job.phase} in attempt {job.attempt}")
        return job


def _told(verdict: Verdict) -> dict[str, Any]:
    return {
        "conclusion": verdict.conclusion,
        "reason": verdict.reason,
        "explanation": verdict.explanation,
        "exit_code": verdict.exit_code,
    }
