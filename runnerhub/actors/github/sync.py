"""Sync: lists of GitHub are looked at when they are due, and what they show is written down.

One list after the other, so that a budget that ends lets the others go on where this one stopped.
A list that did not change costs nothing: its pages are asked for with their ETags.
"""

import random
from dataclasses import replace

import structlog
import trio

from runnerhub.actors.github.sync_desk import SyncDesk
from runnerhub.actors.github.sync_doubts import Doubts
from runnerhub.actors.github.sync_lists import PER_PAGE, Found, read_list, sources
from runnerhub.model.github_sync import Kind, is_busy, read_things
from runnerhub.model.github_sync_pace import REFUSED_SECONDS, next_interval
from runnerhub.ports.github import GitHubNotConfigured, GitHubRefused
from runnerhub.ports.github_state import Look

log = structlog.get_logger(__name__)

BATCH = 20
KEEP_DAYS = 30.0
PRUNE_SECONDS = 3600.0
SOURCES_SECONDS = 600.0
JITTER = 0.1
OF_REPOSITORIES = (Kind.WORKFLOWS, Kind.RUNNERS, Kind.RUNS)


class Syncer:
    """Keep what is shown of GitHub current.

    Args:
        desk: the ports.
        doubts: asks for runs that contradict their jobs.
    """

    def __init__(self, desk: SyncDesk, doubts: Doubts) -> None:
        self._desk = desk
        self._doubts = doubts
        self._rng = random.Random(random.getrandbits(64))  # noqa: S311 - jitter; replays when seeded
        self._sources_at = -SOURCES_SECONDS
        self._prune_at = 0.0
        self._enlisted = False

    async def round(self) -> None:
        """Look at all that is due. Raises as `GitHub.call`, and `LedgerUnavailable`."""
        now = trio.current_time()
        if now - self._sources_at >= SOURCES_SECONDS:
            await self._desk.state.enlist(Kind.REPOSITORIES, await sources(self._desk))
            self._sources_at = now
        if not self._enlisted:
            await self._enlist()
        if now >= self._prune_at:
            while await self._desk.state.prune_runs(keep_days=KEEP_DAYS):
                pass
            self._prune_at = now + PRUNE_SECONDS
        await self._doubts.settle()
        while looks := await self._desk.state.due(BATCH):
            for look in looks:
                await self._look(look)

    async def _look(self, look: Look) -> None:
        try:
            found = await read_list(self._desk, look)
        except (GitHubRefused, GitHubNotConfigured) as error:
            self._desk.note(look.kind, "refused")
            log.info("not shown", action="sync_refused", kind=look.kind, scope=look.scope,
                     why=str(error))  # fmt: skip
            await self._desk.state.put_off(look, REFUSED_SECONDS)
            return
        if found is None:
            self._desk.note(look.kind, "unchanged")
            await self._plan(look, lively=look.busy)
            return
        things = read_things(look.kind, found.items, look.scope)
        since = _since(look.kind, found)
        changed = await self._desk.state.keep(look, things, since=since)
        self._desk.note(look.kind, "changed" if changed else "same")
        busy = is_busy(look.kind, things)
        if look.kind is Kind.REPOSITORIES and changed:
            await self._enlist()
        seen = replace(look, pages=found.pages, since=since or 0, busy=busy)
        await self._plan(seen, lively=busy or changed > 0)

    async def _plan(self, look: Look, *, lively: bool) -> None:
        seconds = next_interval(look.kind, look.interval, lively=lively, told=look.told)
        # Lists that were first seen together do not stay together.
        after = seconds * self._rng.uniform(1 - JITTER, 1 + JITTER)
        await self._desk.state.planned(replace(look, interval=seconds), after)

    async def _enlist(self) -> None:
        """Let the lists of all visible repositories be looked at, and of their organisations."""
        visible = await self._desk.state.visible()
        organizations = {
            name.partition("/")[0] for name, in_organization in visible.items() if in_organization
        }
        for kind in OF_REPOSITORIES:
            more = organizations if kind is Kind.RUNNERS else frozenset()
            await self._desk.state.enlist(kind, [*visible, *sorted(more)])
        self._enlisted = True


def _since(kind: Kind, found: Found) -> int | None:
    """Return the id from which on a list is whole; None when nothing may be missed."""
    if not found.cut:
        return 0
    numbers = [item["id"] for item in found.items if isinstance(item.get("id"), int)]
    # The newest runs come first, by id; a page of them is whole down to its last.
    whole = kind is Kind.RUNS and len(numbers) >= PER_PAGE[kind]
    return min(numbers) if whole else None
