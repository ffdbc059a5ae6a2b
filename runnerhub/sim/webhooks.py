"""Webhook deliveries and workflow jobs in memory, for tests under a mock clock."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import trio

from runnerhub.model.webhook_job import COMPLETED, QUEUED, WorkflowJob, merge
from runnerhub.ports.deliveries import (
    MOST_ATTEMPTS,
    Backlog,
    Claimed,
    Delivery,
    DeliveryPage,
    DeliveryState,
    Failure,
    KeptDelivery,
    before,
    waits_since,
)
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.ports.github_jobs import QUEUE_MAX


@dataclass(slots=True)
class _Row:
    seq: int
    delivery: Delivery
    received_at: datetime
    due_at: datetime
    state: str = "new"
    attempts: int = 0
    holder: str | None = None
    error: str | None = None
    ended_at: datetime | None = None
    requeued_at: datetime | None = None
    requeued_by: str | None = None

    @property
    def since(self) -> datetime:
        return waits_since(self.received_at, self.requeued_at)

    def kept(self) -> KeptDelivery:
        told = self.delivery
        return KeptDelivery(
            self.seq,
            told.guid,
            told.event,
            told.action,
            told.asks.repository,
            DeliveryState(self.state),
            self.attempts,
            self.received_at,
            self.due_at,
            self.ended_at,
            self.error,
            self.requeued_at,
            self.requeued_by,
        )


class _Base:
    """The clock and the outages.

    Attributes:
        outage: while true, every method raises LedgerUnavailable.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.outage = False

    async def _enter(self) -> datetime:
        await trio.lowlevel.checkpoint()
        if self.outage:
            raise LedgerUnavailable("the simulated PostgreSQL does not answer")
        return self._clock()


class MemoryDeliveries(_Base):
    """Keep deliveries."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self._rows: dict[tuple[str, bytes], _Row] = {}
        self._hooks: dict[str, datetime] = {}
        self._seq = 0

    async def receive(self, arrived: Sequence[Delivery]) -> Sequence[bool]:
        """Make deliveries durable together; tell of each, in order, whether it is new."""
        now = await self._enter()
        return [self._receive(delivery, now) for delivery in arrived]

    def _receive(self, delivery: Delivery, now: datetime) -> bool:
        if delivery.hook is not None:
            self._hooks[delivery.hook] = now
        key = (delivery.guid, delivery.digest)
        row = self._rows.get(key)
        if row is not None and row.state != "dead":
            return False
        if row is None:
            self._seq += 1
        self._rows[key] = _Row(row.seq if row else self._seq, delivery, now, now)
        return True

    async def claim(self, holder: str, limit: int, seconds: float) -> Sequence[Claimed]:
        """Take deliveries that are due, in order of arrival, for so many seconds."""
        now = await self._enter()
        due = [
            row
            for row in sorted(self._rows.values(), key=lambda row: row.seq)
            if row.state == "new" and (row.due_at <= now or row.holder == holder)
        ][:limit]
        taken = []
        for row in due:
            row.attempts += 1
            row.holder, row.due_at = holder, now + timedelta(seconds=seconds)
            if row.attempts > MOST_ATTEMPTS:
                row.state, row.ended_at = "dead", now
                row.error = row.error or "begun too often"
                continue
            taken.append(Claimed(row.seq, row.attempts, row.since, row.delivery))
        return taken

    async def settle(self, done: Sequence[int], failed: Sequence[Failure] = ()) -> None:
        """Say what became of claimed deliveries."""
        now = await self._enter()
        rows = {row.seq: row for row in self._rows.values() if row.state == "new"}
        for row in (rows[seq] for seq in done if seq in rows):
            row.state, row.holder, row.error, row.ended_at = "done", None, None, now
        for failure in failed:
            if (found := rows.get(failure.seq)) is None:
                continue
            found.error, found.holder = failure.why, None
            if failure.delay_seconds is None:
                found.state, found.ended_at = "dead", now
            else:
                found.due_at = now + timedelta(seconds=failure.delay_seconds)

    async def known(self, guids: Collection[str]) -> frozenset[str]:
        """Return those of these ids that arrived, the dead left out."""
        await self._enter()
        here = {guid for (guid, _), row in self._rows.items() if row.state != "dead"}
        return frozenset(guids) & here

    async def hooks(self, limit: int) -> Sequence[str]:
        """Return the webhooks by which something came in the last three days."""
        since = await self._enter() - timedelta(days=3)
        seen = sorted((-at.timestamp(), path) for path, at in self._hooks.items() if at > since)
        return [path for _, path in seen][:limit]

    async def backlog(self) -> Backlog:
        """Count what waits and what was given up."""
        now = await self._enter()
        waiting = [row for row in self._rows.values() if row.state == "new"]
        dead = sum(row.state == "dead" for row in self._rows.values())
        oldest = max(((now - row.since).total_seconds() for row in waiting), default=0.0)
        return Backlog(len(waiting), dead, oldest)

    async def page(
        self, state: DeliveryState | None, *, cursor: str | None = None, limit: int = 100
    ) -> DeliveryPage:
        """List deliveries, newest first."""
        last = before(cursor)
        await self._enter()
        rows = sorted(self._rows.values(), key=lambda row: -row.seq)
        found = [row.kept() for row in rows if state in {None, row.state} and row.seq < last]
        return DeliveryPage.of(found, limit)

    async def requeue(self, seq: int, by: str) -> KeptDelivery | None:
        """Let a dead one be tried again."""
        now = await self._enter()
        for row in self._rows.values():
            if row.seq == seq and row.state == "dead":
                row.state, row.attempts, row.holder, row.ended_at = "new", 0, None, None
                row.due_at = row.requeued_at = now
                row.requeued_by = by
                return row.kept()
        return None

    async def prune(self, *, done_days: float, dead_days: float) -> int:
        """Remove what was done, or given up, so long ago; count it."""
        now = await self._enter()
        days = {"done": timedelta(days=done_days), "dead": timedelta(days=dead_days)}
        old = [
            key
            for key, row in self._rows.items()
            if row.ended_at is not None and now - row.ended_at > days[row.state]
        ]
        for key in old:
            del self._rows[key]
        return len(old)


class MemoryGitHubJobs(_Base):
    """Keep workflow jobs."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self._jobs: dict[int, WorkflowJob] = {}

    async def observe(self, told: Sequence[WorkflowJob]) -> Sequence[WorkflowJob]:
        """Write down what was told of jobs, in order; return those that changed."""
        now = await self._enter()
        changed: dict[int, WorkflowJob] = {}
        for job in told:
            before = self._jobs.get(job.id)
            after = merge(before, job) if before else replace(job, first_seen_at=now)
            if after != before:
                changed[job.id] = after
            self._jobs[job.id] = replace(after, heard_at=now)
        return list(changed.values())

    async def job(self, job_id: int) -> WorkflowJob | None:
        """Return a job; None when it was never heard of."""
        await self._enter()
        return self._jobs.get(job_id)

    async def queued_for(
        self, labels: Collection[str], *, limit: int = 100
    ) -> Sequence[WorkflowJob]:
        """Return jobs in queued that a runner with these labels may take, the oldest first."""
        wanted = frozenset(label.lower() for label in labels)
        now = await self._enter()
        found = [job for job in self._fresh(now) if job.labels and job.fits(wanted)]
        return sorted(found, key=lambda job: (_made_at(job), job.id))[:limit]

    async def queued(self, after: int = 0, *, limit: int = 500) -> Sequence[WorkflowJob]:
        """Page through the jobs in queued by id."""
        now = await self._enter()
        found = [job for job in self._fresh(now) if job.id > after]
        return sorted(found, key=lambda job: job.id)[:limit]

    def _fresh(self, now: datetime) -> list[WorkflowJob]:
        queued = (job for job in self._jobs.values() if job.status == QUEUED)
        return [job for job in queued if _made_at(job) > now - QUEUE_MAX]

    async def with_runners(self, names: Collection[str]) -> Sequence[WorkflowJob]:
        """Return the jobs that GitHub gave to runners of these names, at most one each."""
        await self._enter()
        jobs = sorted(self._jobs.values(), key=lambda job: job.id)
        found = {job.runner_name: job for job in jobs if job.runner_name in names}
        return list(found.values())

    async def unheard(self, seconds: float, *, limit: int) -> Sequence[WorkflowJob]:
        """Return jobs that are not completed and were not heard of for so long."""
        before = await self._enter() - timedelta(seconds=seconds)
        found = [
            job
            for job in self._jobs.values()
            if job.status != COMPLETED and job.heard_at is not None and job.heard_at <= before
        ]
        return sorted(found, key=lambda job: (job.heard_at, job.id))[:limit]

    async def heard(self, job_ids: Collection[int]) -> None:
        """Note that jobs were heard of just now."""
        now = await self._enter()
        for job_id in job_ids:
            if job_id in self._jobs:
                self._jobs[job_id] = replace(self._jobs[job_id], heard_at=now)

    async def repositories(self, days: float, *, limit: int) -> Sequence[str]:
        """Return the repositories of jobs heard of in these days, the latest first."""
        since = await self._enter() - timedelta(days=days)
        latest: dict[str, float] = {}
        for job in self._jobs.values():
            if job.heard_at is not None and job.heard_at > since:
                at = job.heard_at.timestamp()
                latest[job.repository] = max(at, latest.get(job.repository, at))
        return sorted(latest, key=lambda name: (-latest[name], name))[:limit]

    async def known_runs(self, runs: Collection[int]) -> frozenset[int]:
        """Return those of these runs of which a job was heard."""
        await self._enter()
        return frozenset(runs) & {job.run_id for job in self._jobs.values() if job.run_id}

    async def counts(self) -> Mapping[str, int]:
        """Count jobs by status, the completed left out."""
        await self._enter()
        return Counter(job.status for job in self._jobs.values() if job.status != COMPLETED)

    async def prune_jobs(self, *, keep_days: float) -> int:
        """Remove jobs not heard of for so long; count them."""
        before = await self._enter() - timedelta(days=keep_days)
        old = [j.id for j in self._jobs.values() if j.heard_at is not None and j.heard_at < before]
        for job_id in old:
            del self._jobs[job_id]
        return len(old)


def _made_at(job: WorkflowJob) -> datetime:
    made = job.created_at or job.first_seen_at
    if made is None:
        raise AssertionError("a job that is kept was seen")
    return made
