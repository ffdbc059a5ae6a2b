"""The port to one tier of the cache of GitHub's answers. Losing it costs requests, nothing else.

Every method may raise `Unavailable`; that counts as a miss.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import trio


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """An answer that is kept.

    Attributes:
        etag: to revalidate it with.
        body: JSON.
        next: the link to the next page.
        fresh_until: Unix seconds; 0 for stale.
    """

    etag: str | None
    body: bytes
    tags: tuple[str, ...] = ()
    next: str | None = None
    fresh_until: float = 0.0


class CacheTier(Protocol):
    """Keep answers by key."""

    async def get(self, key: str) -> CacheEntry | None:
        """Return what is kept, fresh or stale; None when nothing is."""

    async def put(self, key: str, entry: CacheEntry) -> None:
        """Keep an answer in the place of what was there."""

    async def stale(self, tags: Sequence[str]) -> int:
        """Make all entries with any of these tags stale; count them."""

    async def prune(self) -> int:
        """Remove what nobody stored for long; count it."""


@dataclass(frozen=True, slots=True)
class CacheNews:
    """Answers that are stale from now on: those with any of the tags.

    Attributes:
        sender: the node that made them so in the tiers that all nodes share.
    """

    sender: str
    tags: tuple[str, ...]


class CacheFeed(Protocol):
    """Tell the nodes of each other's news. What is told while nobody listens is lost."""

    async def publish(self, news: CacheNews) -> None:
        """Tell all who listen, this node included. Raises `Unavailable`."""

    def listen(self) -> AbstractAsyncContextManager["trio.abc.ReceiveChannel[CacheNews | None]"]:
        """Hear what is told from now on.

        The first is None, and so is each that says: something may have been missed. When the
        connection is lost the channel ends, or raises `Unavailable`.
        """
