"""What the ledger in memory holds: jobs and history, leases, hosts, logs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import trio

from runnerhub.model.job import ACTIVE, Job, JobEvent
from runnerhub.model.lease import Lease
from runnerhub.model.logs import LogCursor
from runnerhub.ports.errors import LedgerUnavailable, StaleFence
from runnerhub.ports.ledger import LogChunk


class MemoryStore:
    """Leases, hosts and logs of the ledger in memory, and its tables."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.outage = False
        self._jobs: dict[str, Job] = {}
        self._events: dict[str, list[JobEvent]] = {}
        self._finished: dict[str, datetime] = {}
        self._leases: dict[str, tuple[Lease, datetime]] = {}
        self._drained: set[str] = set()
        self._logs: dict[tuple[str, int], dict[int, LogChunk]] = {}

    async def acquire_lease(self, resource: str, holder: str, ttl_seconds: float) -> Lease | None:
        """Take a lease, always under a higher token; None while another holds it."""
        await self._enter()
        held, expires_at = self._leases.get(resource, (None, self._clock()))
        if held is not None and held.holder != holder and expires_at > self._clock():
            return None
        lease = Lease(resource, holder, held.token + 1 if held else 1, ttl_seconds)
        self._leases[resource] = (lease, self._clock() + timedelta(seconds=ttl_seconds))
        return lease

    async def renew_leases(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Renew those still held under their token, even when expired; return them."""
        await self._enter()
        renewed = [lease for lease in leases if self._holds(lease)]
        for lease in renewed:
            until = self._clock() + timedelta(seconds=lease.ttl_seconds)
            self._leases[lease.resource] = (lease, until)
        return renewed

    async def release_lease(self, lease: Lease) -> None:
        """Let a lease expire now, if it is still held under its token."""
        await self._enter()
        if self._holds(lease):
            self._leases[lease.resource] = (lease, self._clock())

    async def drained_hosts(self) -> frozenset[str]:
        """Return the names of hosts that an operator drains."""
        await self._enter()
        return frozenset(self._drained)

    async def set_drained(self, host: str, *, drained: bool) -> None:
        """Drain a host, or take it back into service."""
        await self._enter()
        (self._drained.add if drained else self._drained.discard)(host)

    async def append_log(self, chunk: LogChunk, fence: int) -> None:
        """Append the next chunk. The same seq again is ignored."""
        await self._enter()
        job = self._jobs.get(chunk.job_id)
        if job is None or job.host is None or job.attempt != chunk.attempt:
            raise StaleFence(f"job {chunk.job_id} is not in attempt {chunk.attempt}")
        if self._token(job.host) != fence:
            raise StaleFence(f"the log of job {chunk.job_id} is no longer written under {fence}")
        chunks = self._logs.setdefault((chunk.job_id, chunk.attempt), {})
        chunks.setdefault(chunk.seq, replace(chunk, at=chunk.at or self._clock()))

    async def log_chunks(
        self, job_id: str, attempt: int, from_seq: int = 0, limit: int = 64
    ) -> Sequence[LogChunk]:
        """Return chunks in order."""
        await self._enter()
        chunks = sorted(self._logs.get((job_id, attempt), {}).items())
        return [chunk for seq, chunk in chunks if seq >= from_seq][:limit]

    async def log_end(self, job_id: str, attempt: int) -> tuple[int, LogCursor, int]:
        """Return the next seq, the cursor behind the last chunk, and the bytes of the log."""
        await self._enter()
        chunks = self._logs.get((job_id, attempt))
        if not chunks:
            return 0, LogCursor(), 0
        last = max(chunks)
        return last + 1, chunks[last].cursor, sum(len(chunk.data) for chunk in chunks.values())

    async def _enter(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.outage:
            raise LedgerUnavailable("the simulated PostgreSQL does not answer")

    def _write(
        self,
        job: Job,
        kind: str,
        data: Mapping[str, Any] | None = None,
        attempt: int | None = None,
    ) -> Job:
        self._jobs[job.id] = job
        events = self._events.setdefault(job.id, [])
        events.append(
            JobEvent(
                job.id,
                len(events) + 1,
                self._clock(),
                str(kind),
                attempt or job.attempt,
                data or {},
            )
        )
        return job

    def _active(self) -> list[Job]:
        return [job for _, job in sorted(self._jobs.items()) if job.phase in ACTIVE]

    def _token(self, host: str) -> int | None:
        held = self._leases.get(f"host:{host}")
        return held[0].token if held else None

    def _holds(self, lease: Lease) -> bool:
        held = self._leases.get(lease.resource)
        return held is not None and (held[0].holder, held[0].token) == (lease.holder, lease.token)

    def _older(self, days: float) -> set[str]:
        before = self._clock() - timedelta(days=days)
        return {job_id for job_id, at in self._finished.items() if at < before}
