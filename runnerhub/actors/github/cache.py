"""The cache of GitHub's answers: memory, then Redis, then PostgreSQL, then GitHub.

A webhook that one node works on makes answers stale on all: the tiers are told, then the nodes.

Whoever asks first for a key looks and fetches; the others wait for that one. When the first is
cancelled, the next of them takes over.
"""

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
import trio

from runnerhub.actors.github.desk import Desk
from runnerhub.model.answer_cache import RecentlyUsed, cache_key, fresh_seconds, is_lasting
from runnerhub.model.budget import Priority
from runnerhub.ports.errors import PortError
from runnerhub.ports.github import RateLimited, Request, Response
from runnerhub.ports.github_cache import CacheEntry, CacheNews

log = structlog.get_logger(__name__)

MEMORY_SECONDS = 10.0
TIER_SECONDS = 2.0
UNCHANGED, OK = 304, 200

Fetch = Callable[[str | None], Awaitable[Response]]


@dataclass(slots=True)
class _Kept:
    entry: CacheEntry
    asked_at: float  # when a tier below was asked last, on trio's clock


@dataclass(slots=True)
class _Flight:
    tags: tuple[str, ...]
    priority: Priority
    landed: trio.Event = field(default_factory=trio.Event)
    answer: Response | None = None
    error: Exception | None = None
    overtaken: bool = False  # a webhook made it stale while it was under way


class AnswerCache:
    """Answer from what is kept, or fetch.

    Args:
        desk: of the gateway.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._statistics = desk.statistics
        self._wall = desk.wall
        self._memory: RecentlyUsed[_Kept] = RecentlyUsed()
        self._flights: dict[str, _Flight] = {}

    async def answer(self, whose: str, request: Request, fetch: Fetch) -> Response:
        """Return a fresh answer.

        Args:
            whose: the credential's view of GitHub.
            request: a GET.
            fetch: asks GitHub, with an ETag where there is one; returns 304 for an answer that
                it still holds for.
        """
        key = cache_key(whose, request.path, request.params)
        with trio.move_on_after(request.patience) as patience:
            # Who is more urgent than the one who fetches does not wait in that one's line.
            while (flight := self._flights.get(key)) and flight.priority <= request.priority:
                await flight.landed.wait()
                if flight.error is not None and not isinstance(flight.error, RateLimited):
                    raise flight.error
                if flight.answer is not None:
                    return flight.answer
        if patience.cancelled_caught:
            raise RateLimited("turn", 1.0)
        flight = self._flights[key] = _Flight(request.tags, request.priority)
        try:
            flight.answer = await self._find(key, request, fetch, flight)
        except Exception as error:
            flight.error = error
            raise
        else:
            return flight.answer
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            flight.landed.set()

    async def stale(self, tags: Sequence[str]) -> None:
        """Make answers with any of these tags stale, in all tiers and on all nodes."""
        news = CacheNews(self._desk.options.node_id, tuple(tags))
        self._overtake(news)
        for name, tier in self._desk.tiers:
            await self._try(name, lambda tier=tier: tier.stale(tags))  # type: ignore[misc]
        self._overtake(news)  # who looked into a tier meanwhile may have found the old answer
        await self._publish(news)

    def hear(self, news: CacheNews | None) -> None:
        """Take note of what another node told; None when something may have been missed."""
        if news is None:
            for flight in self._flights.values():
                flight.overtaken = True
            for kept in self._memory.values():
                kept.asked_at = -math.inf
        elif news.sender != self._desk.options.node_id:
            self._statistics.news += 1
            self._overtake(news)

    async def prune(self) -> None:
        """Let the tiers forget what nobody stored for long."""
        for name, tier in self._desk.tiers:
            await self._try(name, tier.prune)

    def _overtake(self, news: CacheNews) -> None:
        tags = frozenset(news.tags)
        for flight in self._flights.values():
            flight.overtaken |= not tags.isdisjoint(flight.tags)
        for key, kept in self._memory.items():
            if not tags.isdisjoint(kept.entry.tags):
                self._remember(key, replace(kept.entry, fresh_until=0.0))

    async def _publish(self, news: CacheNews) -> None:
        feed = self._desk.feed
        if feed is not None:
            await self._try("news", lambda: feed.publish(news))

    async def _find(self, key: str, request: Request, fetch: Fetch, flight: _Flight) -> Response:
        found = self._memory.get(key)
        if found is not None and self._is_fresh(found.entry) and self._is_recent(found):
            self._count("memory", found.entry)
            return _respond(found.entry)
        self._statistics.lookups["memory", "miss" if found is None else "stale"] += 1
        entry = await self._below(key, found)
        if entry is not None and self._is_fresh(entry) and not flight.overtaken:
            self._remember(key, entry)
            return _respond(entry)
        answer = await fetch(entry.etag if entry is not None else None)
        until = 0.0 if flight.overtaken else self._wall() + fresh_seconds(request.kind)
        if entry is not None and answer.status == UNCHANGED:
            self._statistics.revalidations["unchanged"] += 1
            entry = replace(entry, fresh_until=until)
            await self._keep(key, entry, request.kind, flight)
            return _respond(entry)
        self._statistics.revalidations["changed"] += 1
        if answer.status == OK:
            body = json.dumps(answer.data).encode()
            etag = answer.headers.get("etag")
            fresh = CacheEntry(etag, body, request.tags, answer.next, until)
            if etag is not None or until > self._wall():
                await self._keep(key, fresh, request.kind, flight)
        return answer

    async def _below(self, key: str, found: _Kept | None) -> CacheEntry | None:
        """Return the best that is kept: what a nearer tier below says wins over memory."""
        best = found.entry if found is not None else None
        for name, tier in self._desk.tiers:
            entry: CacheEntry | None
            entry = await self._try(name, lambda tier=tier: tier.get(key))  # type: ignore[misc]
            if entry is None:
                self._statistics.lookups[name, "miss"] += 1
                continue
            self._count(name, entry)
            return entry
        return best

    async def _keep(self, key: str, entry: CacheEntry, kind: str, flight: _Flight) -> None:
        self._remember(key, entry)
        for name, tier in self._desk.tiers:
            if name != "postgres" or is_lasting(kind):
                await self._try(name, lambda tier=tier: tier.put(key, entry))  # type: ignore[misc]
        if flight.overtaken and entry.fresh_until:
            # Meanwhile: a tier may have been told first, and then been given this.
            await self._keep(key, replace(entry, fresh_until=0.0), kind, flight)

    async def _try(self, name: str, step: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - as the step
        with trio.move_on_after(TIER_SECONDS):
            try:
                return await step()
            except PortError as error:
                log.debug("a tier is away", action="github_cache_away", tier=name, why=str(error))
        return None

    def _remember(self, key: str, entry: CacheEntry) -> None:
        self._memory.put(key, _Kept(entry, trio.current_time()), len(entry.body) + 512)

    def _is_fresh(self, entry: CacheEntry) -> bool:
        return entry.fresh_until > self._wall()

    def _is_recent(self, kept: _Kept) -> bool:
        return not self._desk.tiers or trio.current_time() - kept.asked_at < MEMORY_SECONDS

    def _count(self, tier: str, entry: CacheEntry) -> None:
        result = "hit" if self._is_fresh(entry) else "stale"
        self._statistics.lookups[tier, result] += 1


def _respond(entry: CacheEntry) -> Response:
    headers = {"etag": entry.etag} if entry.etag else {}
    return Response(OK, headers, json.loads(entry.body), entry.next)
