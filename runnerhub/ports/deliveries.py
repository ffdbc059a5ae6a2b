"""The port to the webhook deliveries in the ledger. Every method is one transaction.

Every method may raise `LedgerUnavailable`; then nothing is known of its effect, and calling it
again is safe.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from runnerhub.model.webhook import Action

MOST_ATTEMPTS = 10
MOST_SEQ = 2**63 - 1
CURSOR_FORM = re.compile(r"[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery, and what it asks of us.

    Attributes:
        guid: GitHub's id of it. It is not signed.
        digest: SHA-256 of its body, which is.
        action: as the payload names it.
        asks: what is needed of the payload.
        hook: the webhook it came by, as a path of GitHub's API; None where it was not told.
    """

    guid: str
    digest: bytes
    event: str
    action: str | None
    asks: Action
    hook: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this node works on now.

    Attributes:
        seq: its place in the order of arrival.
        attempt: how often it was begun, this one included.
        received_at: or when somebody had it tried again, if that was later.
    """

    seq: int
    attempt: int
    received_at: datetime
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Failure:
    """A delivery that could not be worked on, and why.

    Attributes:
        delay_seconds: until it is tried again; None to give it up.
    """

    seq: int
    why: str
    delay_seconds: float | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Deliveries that wait, those given up, and how long the oldest has waited, in seconds."""

    waiting: int = 0
    dead: int = 0
    oldest_seconds: float = 0.0


class DeliveryState(StrEnum):
    """Where a delivery stands; `new` until it is done or given up."""

    NEW = "new"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class KeptDelivery:
    """A delivery as the ledger has it, for people.

    Attributes:
        seq: its place in the order of arrival.
        attempts: how often it was begun; from 0 again when it is requeued.
        due_at: when it may be begun, if it is `new`.
        ended_at: when it was done or given up.
        error: what went wrong last.
        requeued_at: when somebody had it tried again, and by whom; the last time.
    """

    seq: int
    guid: str
    event: str
    action: str | None
    repository: str | None
    state: DeliveryState
    attempts: int
    received_at: datetime
    due_at: datetime
    ended_at: datetime | None = None
    error: str | None = None
    requeued_at: datetime | None = None
    requeued_by: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries, newest first, and where the next page begins."""

    items: Sequence[KeptDelivery]
    next_cursor: str | None

    @classmethod
    def of(cls, found: Sequence[KeptDelivery], limit: int) -> "DeliveryPage":
        """Return a page of what was found; one more than the limit tells that there are more."""
        items = found[:limit]
        return cls(items, str(items[-1].seq) if items and len(found) > limit else None)


def waits_since(received_at: datetime, requeued_at: datetime | None) -> datetime:
    """Return since when a delivery waits: what was dead for days has not waited for days."""
    return max(received_at, requeued_at or received_at)


def before(cursor: str | None) -> int:
    """Return the `seq` below which a page begins. Raises ValueError where it is no cursor."""
    if cursor is None:
        return MOST_SEQ
    if not CURSOR_FORM.fullmatch(cursor) or int(cursor) > MOST_SEQ:
        raise ValueError("this is no cursor of ours; take next_cursor of the last page")
    return int(cursor)


class Deliveries(Protocol):
    """Webhook deliveries."""

    async def receive(self, arrived: Sequence[Delivery]) -> Sequence[bool]:
        """Make deliveries durable together; tell of each, in order, whether it is new.

        The same id with the same body is not, unless it had been given up: it then lives again.
        """

    async def claim(self, holder: str, limit: int, seconds: float) -> Sequence[Claimed]:
        """Take deliveries that are due, in order of arrival, for so many seconds.

        Among them are those whose claim expired, and those that this holder claimed before. One
        that was begun `MOST_ATTEMPTS` times is given up instead.
        """

    async def settle(self, done: Sequence[int], failed: Sequence[Failure] = ()) -> None:
        """Say what became of claimed deliveries, by `seq`."""

    async def known(self, guids: Collection[str]) -> frozenset[str]:
        """Return those of these ids that arrived, the dead left out."""

    async def hooks(self, limit: int) -> Sequence[str]:
        """Return the webhooks by which something came in the last three days."""

    async def backlog(self) -> Backlog:
        """Count what waits and what was given up."""

    async def page(
        self, state: DeliveryState | None, *, cursor: str | None = None, limit: int = 100
    ) -> DeliveryPage:
        """List deliveries, newest first. A cursor that is none of ours is a ValueError."""

    async def requeue(self, seq: int, by: str) -> KeptDelivery | None:
        """Let a dead one be tried again, as if it had come just now; None when none is dead.

        Args:
            seq: whose.
            by: who wants it, for the record.
        """

    async def prune(self, *, done_days: float, dead_days: float) -> int:
        """Remove what was done, or given up, so long ago, at most some thousands; count it."""
