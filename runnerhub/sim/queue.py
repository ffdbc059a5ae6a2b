"""The queue in memory, for tests under a mock clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import trio

from runnerhub.model.fair_share import Waiting, next_of
from runnerhub.ports.errors import QueueUnavailable
from runnerhub.ports.queue import QueueEntry, QueueLook


class MemoryQueue:
    """A queue in memory.

    Args:
        clock: Unix time in seconds.
        aging_seconds: a waiting job gains one point of priority each.

    Attributes:
        outage: while true, every method raises QueueUnavailable.
    """

    def __init__(self, clock: Callable[[], float], aging_seconds: float = 60.0) -> None:
        self._clock = clock
        self._aging_ms = aging_seconds * 1000
        self.outage = False
        self.flush()

    def flush(self) -> None:
        """Forget everything, as a Redis without persistence does."""
        self._entries: dict[str, QueueEntry] = {}
        self._ready: dict[str, dict[str, Waiting]] = {}
        self._delayed: dict[str, float] = {}
        self._claimed: dict[str, float] = {}
        self._turns: dict[str, dict[tuple[int, str], int]] = {}
        self._turn = 0
        self._mark: str | None = None

    async def push(self, entries: Sequence[QueueEntry]) -> None:
        """Add entries; those that are known already stay as they are."""
        await self._enter()
        for entry in entries:
            if entry.job_id in self._entries:
                continue
            self._entries[entry.job_id] = replace(entry, delay_seconds=0.0)
            if entry.delay_seconds > 0:
                self._delayed[entry.job_id] = self._clock() + entry.delay_seconds
            else:
                self._make_ready(entry.job_id)

    async def claim(self, limits: Mapping[str, int], lease_seconds: float) -> Sequence[QueueEntry]:
        """Take up to so many of each placement class; they come back unless acknowledged."""
        await self._enter()
        taken = []
        for placement, limit in limits.items():
            for _ in range(limit):
                ready = self._ready.get(placement, {})
                turns = self._turns.setdefault(placement, {})
                job = next_of(
                    ready.values(),
                    turns,
                    now_ms=int(self._clock() * 1000),
                    aging_ms=self._aging_ms,
                )
                if job is None:
                    break
                turns[job.priority, job.repository] = self._next_turn()
                self._not_ready(job.job_id)
                self._claimed[job.job_id] = self._clock() + lease_seconds
                taken.append(self._entries[job.job_id])
        return taken

    async def acknowledge(self, job_ids: Sequence[str]) -> None:
        """Forget entries, claimed or not."""
        await self._enter()
        for job_id in job_ids:
            self._not_ready(job_id)
            self._entries.pop(job_id, None)
            self._delayed.pop(job_id, None)
            self._claimed.pop(job_id, None)

    async def restore_expired(self) -> int:
        """Put back claims whose lease has expired; count them."""
        await self._enter()
        expired = [job_id for job_id, at in self._claimed.items() if at <= self._clock()]
        for job_id in expired:
            del self._claimed[job_id]
            self._make_ready(job_id)
        return len(expired)

    async def look(self) -> QueueLook:
        """Return what waits, and whether the queue is one that was marked."""
        await self._enter()
        classes = {placement: len(ready) for placement, ready in self._ready.items() if ready}
        return QueueLook(classes, self._mark)

    async def mark(self, mark: str) -> None:
        """Leave a mark, which lasts as long as what the queue knows."""
        await self._enter()
        self._mark = mark

    async def known(self, job_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the ids that the queue knows."""
        await self._enter()
        return frozenset(job_ids) & self._entries.keys()

    async def ping(self) -> None:
        """Raise QueueUnavailable in an outage."""
        await self._enter()

    async def _enter(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.outage:
            raise QueueUnavailable("the simulated Redis does not answer")
        for job_id in [job_id for job_id, at in self._delayed.items() if at <= self._clock()]:
            del self._delayed[job_id]
            self._make_ready(job_id)

    def _make_ready(self, job_id: str) -> None:
        entry = self._entries[job_id]
        waiting = Waiting(job_id, entry.repository, entry.priority, entry.accepted_ms)
        self._ready.setdefault(entry.placement, {})[job_id] = waiting
        turns = self._turns.setdefault(entry.placement, {})
        if (entry.priority, entry.repository) not in turns:
            turns[entry.priority, entry.repository] = self._next_turn()

    def _not_ready(self, job_id: str) -> None:
        entry = self._entries.get(job_id)
        ready = self._ready.get(entry.placement, {}) if entry else {}
        if entry is None or ready.pop(job_id, None) is None:
            return
        key = (entry.priority, entry.repository)
        if not any((job.priority, job.repository) == key for job in ready.values()):
            del self._turns[entry.placement][key]

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn
