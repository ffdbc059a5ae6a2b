"""Ownership of a Docker host by one node at a time, with a fencing token."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as its holder knows it.

    Attributes:
        resource: what is owned, such as `host:build-1`.
        holder: node id.
        token: fencing token; grows with every change of holder or of the holder's life.
        ttl_seconds: how long the store keeps it without a renewal.
    """

    resource: str
    holder: str
    token: int
    ttl_seconds: float


def trusted_until(asked_at: float, ttl_seconds: float, *, margin: float = 0.2) -> float:
    """Return until when the holder may act on a lease, on its own monotonic clock.

    Counted from before the request was sent, less a margin for clocks of unequal speed.
    """
    return asked_at + ttl_seconds * (1 - margin)
