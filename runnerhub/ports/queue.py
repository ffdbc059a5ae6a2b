"""The port to the queue: a fast index over the ledger's QUEUED jobs. Losing it loses nothing.

Every method may raise `QueueUnavailable`. A claim is a hint; the ledger decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A queued job, as the queue needs it.

    Attributes:
        placement: key of its placement class: its sub-queue.
        accepted_ms: Unix time in milliseconds, for aging.
        delay_seconds: not to be claimed before this has passed.
    """

    job_id: str
    repository: str
    placement: str
    priority: int
    accepted_ms: int
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class QueueLook:
    """The queue at a glance.

    Attributes:
        classes: how many entries wait in each placement class; delayed ones count once due.
        mark: what `mark` was given last; None when the store has lost it, with all the rest.
    """

    classes: Mapping[str, int]
    mark: str | None


class JobQueue(Protocol):
    """The queue.

    Larger priorities first; a waiting job gains one point per `aging_seconds`. Inside a
    priority repositories take turns, each in the order of acceptance.
    """

    async def push(self, entries: Sequence[QueueEntry]) -> None:
        """Add entries; those that are in the queue, or claimed, already stay as they are."""

    async def claim(self, limits: Mapping[str, int], lease_seconds: float) -> Sequence[QueueEntry]:
        """Take up to so many of each placement class; they come back unless acknowledged."""

    async def acknowledge(self, job_ids: Sequence[str]) -> None:
        """Forget entries, claimed or not."""

    async def restore_expired(self) -> int:
        """Put back claims whose lease has expired, by the store's clock; count them."""

    async def look(self) -> QueueLook:
        """Return what waits, and whether the queue is one that was marked."""

    async def mark(self, mark: str) -> None:
        """Leave a mark, which lasts as long as what the queue knows."""

    async def known(self, job_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the ids that the queue knows: ready, delayed or claimed."""

    async def ping(self) -> None:
        """Raise QueueUnavailable unless the store answers."""
