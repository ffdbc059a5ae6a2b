"""The port to the webhook deliveries in the ledger. Every method is one transaction.

Every method may raise `LedgerUnavailable`; then nothing is known of its effect, and calling it
again is safe.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from runnerhub.model.webhook import Action

MOST_ATTEMPTS = 10


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

    async def prune(self, *, done_days: float, dead_days: float) -> int:
        """Remove what was done, or given up, so long ago, at most some thousands; count it."""
