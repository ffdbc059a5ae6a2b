"""The port to the ledger: the truth about jobs and ownership. Every method is one transaction.

Every method may raise `LedgerUnavailable`; then nothing is known of its effect, and calling it
again is safe: each is a compare-and-set, or unique by key.

What is asked for at once may share a transaction; that shows in nothing but the price. Nobody's
error is another's. Cancelling a call takes nothing back: what it writes may still be written, also
a while after the call has ended, as if its answer had been lost. But a job's steps (`advance`,
`conclude`, `finish`, `give_back`) are taken in the order in which a process asked for them, and so
are `append_log` and `log_end` of a job: what a cancelled call left behind is never seen to come
later than what was asked after it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from runnerhub.model.job import Job, JobEvent, JobSpec, Phase, Status
from runnerhub.model.lease import Lease
from runnerhub.model.logs import LogCursor
from runnerhub.model.outcome import Verdict

NO_STAMPS: Mapping[str, float] = {}


class AcceptResult(StrEnum):
    """What became of one delegated job."""

    CREATED = "created"
    EXISTING = "existing"  # the same body again
    CONFLICT = "conflict"  # another body under the same (repository, external_id)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer for one delegated job; `job` is the one that stands, also on a conflict."""

    result: AcceptResult
    job: Job


@dataclass(frozen=True, slots=True)
class LeaseJob:
    """Take one job for a host: QUEUED → LEASED."""

    job_id: str
    host: str
    fence: int
    sandbox_id: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, and where the next page begins."""

    jobs: Sequence[Job]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class LogChunk:
    """A piece of a job's log. `seq` counts from 0 in an attempt; `cursor` is where it ends."""

    job_id: str
    attempt: int
    seq: int
    data: bytes
    cursor: LogCursor
    at: datetime | None = None
    marks: Mapping[str, Any] = field(default_factory=dict)


class Standing(NamedTuple):
    """Where an attempt stands: as little of it as recovery must know again and again."""

    job_id: str
    host: str
    sandbox_id: str
    phase: Phase
    cancel_requested: bool


class Ledger(Protocol):
    """The ledger."""

    async def cluster_id(self) -> str:
        """Return this ledger's cluster id (12 hex digits), made at the first call."""

    # ------------------------------------------------------------------ jobs

    async def accept(
        self, specs: Sequence[JobSpec], retry_of: str | None = None
    ) -> Sequence[Accepted]:
        """Accept jobs together, durably; one answer each, in order.

        No one's conflict fails another. Two equal specs in one call: the second is EXISTING.
        """

    async def job(self, job_id: str) -> Job | None:
        """Return a job; None when there is none."""

    async def jobs(
        self,
        *,
        status: Status | None = None,
        repository: str | None = None,
        dead_letters: bool = False,
        cursor: str | None = None,
        limit: int = 100,
    ) -> JobPage:
        """List jobs, newest first. A cursor that is none of ours is a ValueError."""

    async def events(self, job_id: str) -> Sequence[JobEvent]:
        """Return a job's history, in order."""

    async def queued(self, after: str | None, limit: int) -> Sequence[Job]:
        """Page through the jobs in QUEUED by id, for reconciling the queue."""

    async def standing(
        self, hosts: Collection[str], after: str | None, limit: int
    ) -> Sequence[Standing]:
        """Page by job id through where the jobs from LEASED to REAPING on these hosts stand."""

    async def active(self, hosts: Collection[str], job_ids: Collection[str]) -> Sequence[Job]:
        """Return those of these jobs that are from LEASED to REAPING on these hosts."""

    async def open_runners(self) -> Sequence[Job]:
        """Return the jobs that are, or are to become, runners and are not FINISHED, oldest first.

        At most 10,000: so many runners a group of GitHub's holds.
        """

    async def live_sandboxes(self, host: str) -> frozenset[str]:
        """Return the sandbox ids of the attempts from LEASED to REAPING on a host."""

    async def lease_jobs(self, wanted: Sequence[LeaseJob]) -> Sequence[Job]:
        """Take jobs for hosts: QUEUED → LEASED; sets claimed and placed; return those taken.

        Taken is each that is still QUEUED, due, and whose host's lease has the fence named.
        """

    async def advance(
        self,
        job_id: str,
        fence: int,
        attempt: int,
        to: Phase,
        *stamps: str,
        ago: Mapping[str, float] = NO_STAMPS,
    ) -> Job:
        """Move a job to PROVISIONING or RUNNING, or let it stay, and set time stamps.

        Raises StaleFence. Doing it twice is no error.

        Args:
            job_id: of the job.
            fence: of the host's lease.
            attempt: that moves.
            to: the phase.
            stamps: of what happens now.
            ago: of what happened so many seconds ago; a stamp that the job has stays.
        """

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
        """Write the conclusion: LEASED, PROVISIONING or RUNNING → REAPING.

        The first one stands: when there is one already the job is returned unchanged. Raises
        StaleFence. `ago` is that of `advance`.
        """

    async def finish(self, job_id: str, fence: int, attempt: int) -> Job:
        """REAPING → FINISHED, with `reaped`. Doing it twice is no error. Raises StaleFence."""

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
        """LEASED, PROVISIONING or RUNNING → QUEUED as a new attempt. Raises StaleFence."""

    async def conclude_queued(self, job_id: str, verdict: Verdict) -> Job | None:
        """QUEUED → FINISHED with a conclusion; None when it was not QUEUED any more."""

    async def request_cancel(self, job_id: str) -> Job | None:
        """Note that a user wants a job cancelled, unless it is completed; return the job."""

    async def expired_in_queue(self, older_than_seconds: float, limit: int) -> Sequence[str]:
        """Return ids of QUEUED jobs that were accepted longer ago than this."""

    async def queue_depths(self) -> Mapping[str, int]:
        """Count jobs by phase, FINISHED left out."""

    # ------------------------------------------------------------------ leases

    async def acquire_lease(self, resource: str, holder: str, ttl_seconds: float) -> Lease | None:
        """Take a lease, always under a higher token; None while another holds it.

        Taken is one that is free, expired by the store's clock, or this holder's own from an
        earlier life.
        """

    async def renew_leases(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Renew those still held under their token, even when expired; return them."""

    async def release_lease(self, lease: Lease) -> None:
        """Let a lease expire now, if it is still held under its token."""

    # ------------------------------------------------------------------ hosts

    async def drained_hosts(self) -> frozenset[str]:
        """Return the names of hosts that an operator drains."""

    async def set_drained(self, host: str, *, drained: bool) -> None:
        """Drain a host, or take it back into service."""

    # ------------------------------------------------------------------ logs

    async def append_log(self, chunk: LogChunk, fence: int) -> None:
        """Append the next chunk. The same seq again is ignored. Raises StaleFence."""

    async def log_chunks(
        self, job_id: str, attempt: int, from_seq: int = 0, limit: int = 64
    ) -> Sequence[LogChunk]:
        """Return chunks in order."""

    async def log_end(self, job_id: str, attempt: int) -> tuple[int, LogCursor, int]:
        """Return the next seq, the cursor behind the last chunk, and the bytes stored."""

    async def prune(self, *, keep_days: float, log_days: float) -> Mapping[str, int]:
        """Remove FINISHED jobs with their events, and logs, that are older; count them."""
