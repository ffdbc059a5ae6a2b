"""The cache of GitHub's answers in memory, for tests under a mock clock."""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import trio

from runnerhub.ports.errors import QueueUnavailable
from runnerhub.ports.github_cache import CacheEntry, CacheNews


class MemoryTier:
    """Keep answers.

    Attributes:
        outage: while true, every method raises.
    """

    def __init__(self) -> None:
        self._entries: dict[str, CacheEntry] = {}
        self.outage = False

    async def get(self, key: str) -> CacheEntry | None:
        """Return what is kept, fresh or stale."""
        await self._enter()
        return self._entries.get(key)

    async def put(self, key: str, entry: CacheEntry) -> None:
        """Keep an answer in the place of what was there."""
        await self._enter()
        self._entries[key] = entry

    async def stale(self, tags: Sequence[str]) -> int:
        """Make all entries with any of these tags stale; count them."""
        await self._enter()
        found = {k: e for k, e in self._entries.items() if not set(tags).isdisjoint(e.tags)}
        for key, entry in found.items():
            self._entries[key] = replace(entry, fresh_until=0.0)
        return len(found)

    async def prune(self) -> int:
        """Remove nothing: it lives as long as a test."""
        await self._enter()
        return 0

    async def _enter(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.outage:
            raise QueueUnavailable("the simulated tier does not answer")


class MemoryFeed:
    """Tell the nodes of a test of each other's news."""

    def __init__(self) -> None:
        self._listeners: set[trio.MemorySendChannel[CacheNews | None]] = set()
        self._outage = False

    @property
    def outage(self) -> bool:
        """While true nothing is told, and nobody listens."""
        return self._outage

    @outage.setter
    def outage(self, outage: bool) -> None:
        self._outage = outage
        while outage and self._listeners:
            self._listeners.pop().close()

    async def publish(self, news: CacheNews) -> None:
        """Tell all who listen."""
        await self._enter()
        for listener in self._listeners:
            listener.send_nowait(news)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[trio.MemoryReceiveChannel[CacheNews | None]]:
        """Hear what is told from now on, after a first None."""
        await self._enter()
        listener, heard = trio.open_memory_channel[CacheNews | None](math.inf)
        listener.send_nowait(None)
        self._listeners.add(listener)
        with listener, heard:
            try:
                yield heard
            finally:
                self._listeners.discard(listener)

    async def _enter(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._outage:
            raise QueueUnavailable("the simulated feed does not answer")
