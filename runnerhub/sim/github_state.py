"""What is kept of GitHub, in memory, for tests under a mock clock."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import trio

from runnerhub.model.github_sync import ORGANIZATION, Kind, Thing
from runnerhub.model.webhook_job import COMPLETED, WorkflowJob, moment
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.ports.github_state import (
    SETTLE_SECONDS,
    TOLD_DAYS,
    Look,
    Seen,
    StatePage,
    cursor_of,
    read_cursor,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(slots=True)
class _Row:
    thing: Thing
    seen_at: datetime
    changed_at: datetime


@dataclass(slots=True)
class _Plan:
    look: Look
    due_at: datetime
    looked_at: datetime | None = None
    told_at: datetime | None = None


class MemoryGitHubState:
    """Keep what is seen of GitHub.

    Args:
        clock: of the store.
        jobs: all that are kept.

    Attributes:
        outage: while true, every method raises LedgerUnavailable.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        jobs: Callable[[], Collection[WorkflowJob]] = lambda: (),
    ) -> None:
        self._clock = clock
        self._jobs = jobs
        self._rows: dict[tuple[Kind, str, int], _Row] = {}
        self._plans: dict[tuple[Kind, str], _Plan] = {}
        self.outage = False

    async def _enter(self) -> datetime:
        await trio.lowlevel.checkpoint()
        if self.outage:
            raise LedgerUnavailable("the simulated PostgreSQL does not answer")
        return self._clock()

    async def enlist(self, kind: Kind, scopes: Collection[str]) -> None:
        """Let these lists of a kind be looked at and no others."""
        now = await self._enter()
        wanted = {scope.lower(): scope for scope in scopes}
        for place in [p for p in self._plans if p[0] is kind and p[1] not in wanted]:
            del self._plans[place]
        for key in [k for k in self._rows if k[0] is kind and k[1] not in wanted]:
            del self._rows[key]
        for source, scope in wanted.items():
            plan = self._plans.setdefault((kind, source), _Plan(Look(kind, scope), now))
            plan.look = replace(plan.look, scope=scope)

    async def due(self, limit: int) -> Sequence[Look]:
        """Return the looks that are due, the longest due first."""
        now = await self._enter()
        due = [(p.due_at, place, p) for place, p in self._plans.items() if p.due_at <= now]
        return [
            replace(
                plan.look,
                due_since=now,
                told=plan.told_at is not None and plan.told_at > now - TOLD_DAYS * DAY,
            )
            for _, _, plan in sorted(due, key=lambda each: each[:2])[:limit]
        ]

    async def keep(self, look: Look, things: Sequence[Thing], *, since: int | None) -> int:
        """Write down what a look found; count what has changed."""
        now = await self._enter()
        source = look.scope.lower()
        changed = sum(self._keep(look.kind, source, thing, now) for thing in things)
        if since is None:
            return changed
        found = {thing.id for thing in things}
        gone = [
            key
            for key, row in self._rows.items()
            if key[:2] == (look.kind, source) and key[2] not in found and key[2] >= since
            if look.due_since is None or row.seen_at < look.due_since
        ]
        for key in gone:
            del self._rows[key]
        return changed + len(gone)

    def _keep(self, kind: Kind, source: str, thing: Thing, now: datetime) -> bool:
        row = self._rows.get((kind, source, thing.id))
        if row is None:
            self._rows[kind, source, thing.id] = _Row(thing, now, now)
            return True
        if row.thing.version > thing.version:
            return False
        changed = row.thing.data != thing.data
        row.thing, row.seen_at = thing, now
        row.changed_at = now if changed else row.changed_at
        return changed

    async def planned(self, look: Look, after_seconds: float) -> None:
        """Write down that a look was made, and when the next one is due."""
        now = await self._enter()
        plan = self._plans.get((look.kind, look.scope.lower()))
        if plan is not None:
            plan.look, plan.looked_at = look, now
            plan.due_at = now + timedelta(seconds=after_seconds)

    async def put_off(self, look: Look, after_seconds: float) -> None:
        """Write down that a look could not be made, and when it is due again."""
        now = await self._enter()
        plan = self._plans.get((look.kind, look.scope.lower()))
        if plan is not None:
            plan.due_at = now + timedelta(seconds=after_seconds)

    async def tell(self, runs: Sequence[Thing]) -> None:
        """Write down runs that were told of."""
        now = await self._enter()
        for run in runs:
            self._keep(Kind.RUNS, run.scope.lower(), run, now)

    async def mark(
        self, told: Collection[str], soon: Collection[tuple[Kind, str]], after_seconds: float
    ) -> None:
        """Note that webhooks told of repositories, and let looks be due soon."""
        now = await self._enter()
        for (kind, source), plan in self._plans.items():
            if source in told and kind is not Kind.REPOSITORIES:
                plan.told_at = now
            if (kind, source) in soon or (kind, "") in soon:
                plan.due_at = min(plan.due_at, now + timedelta(seconds=after_seconds))

    async def visible(self) -> Mapping[str, bool]:
        """Return the repositories that are seen and not archived."""
        await self._enter()
        return {
            row.thing.scope: row.thing.data["owner_kind"] == ORGANIZATION
            for key, row in self._rows.items()
            if key[0] is Kind.REPOSITORIES and not row.thing.data["archived"]
        }

    async def doubtful(self, limit: int) -> Sequence[tuple[str, int]]:
        """Return runs that contradict their jobs."""
        now = await self._enter()
        jobs: dict[tuple[int, int], list[WorkflowJob]] = {}
        for job in self._jobs():
            if job.run_id is not None and job.heard_at and job.heard_at > now - DAY:
                jobs.setdefault((job.run_id, job.run_attempt or 1), []).append(job)
        runs = {key[2]: row for key, row in self._rows.items() if key[0] is Kind.RUNS}
        recent = {
            (number, row.thing.data["attempt"])
            for number, row in runs.items()
            if row.changed_at > now - DAY
        }
        found: dict[int, str] = {}
        for number, attempt in {*recent, *jobs}:
            row, its = runs.get(number), jobs.get((number, attempt), [])
            if row is not None and row.thing.data["attempt"] != attempt:
                if row.thing.data["attempt"] > attempt:
                    continue
                row = None
            settled = max([job.heard_at or now for job in its] + ([row.changed_at] if row else []))
            scope = row.thing.scope if row else its[0].repository
            if settled < now - timedelta(seconds=SETTLE_SECONDS) and _doubtful(row, its, now):
                found[number] = scope
        listed = [(found[number], number) for number in sorted(found, reverse=True)]
        return [each for each in listed if (Kind.RUNS, each[0].lower()) in self._plans][:limit]

    async def forget(self, kind: Kind, scope: str, number: int) -> None:
        """Remove a thing that is gone."""
        await self._enter()
        self._rows.pop((kind, scope.lower(), number), None)

    async def things(
        self, kind: Kind, *, repository: str | None = None, cursor: str | None = None, limit: int
    ) -> StatePage:
        """List things, newest first."""
        await self._enter()
        begin = read_cursor(cursor) if cursor is not None else None
        scopes = None if repository is None else {repository.lower()}
        if scopes and kind is Kind.RUNNERS:
            scopes |= {scope.partition("/")[0] for scope in scopes}
        found: dict[tuple[int, str], Seen] = {}
        for key, row in self._rows.items():
            place = (row.thing.id, row.thing.scope.lower())
            if key[0] is not kind or (scopes is not None and place[1] not in scopes):
                continue
            if begin is not None and place >= begin:
                continue
            seen_at = self._seen_at(key, row)
            if place not in found or found[place].seen_at < seen_at:
                found[place] = Seen(row.thing, seen_at, self._jobs_of(kind, row.thing.id))
        ordered = [found[place] for place in sorted(found, reverse=True)]
        items, more = ordered[:limit], len(ordered) > limit
        last = items[-1].thing if more else None
        return StatePage(items, cursor_of(last.id, last.scope) if last else None)

    def _jobs_of(self, kind: Kind, number: int) -> tuple[WorkflowJob, ...]:
        found = (job for job in self._jobs() if kind is Kind.RUNS and job.run_id == number)
        return tuple(sorted(found, key=lambda job: job.id))

    def _seen_at(self, key: tuple[Kind, str, int], row: _Row) -> datetime:
        plan = self._plans.get(key[:2])
        if plan is None or plan.looked_at is None or key[2] < plan.look.since:
            return row.seen_at
        return max(plan.looked_at, row.seen_at)

    async def prune_runs(self, *, keep_days: float) -> int:
        """Remove runs not seen for so long; count them."""
        before = await self._enter() - timedelta(days=keep_days)
        old = [
            key
            for key, row in self._rows.items()
            if key[0] is Kind.RUNS and self._seen_at(key, row) < before
        ]
        for key in old:
            del self._rows[key]
        return len(old)


def _doubtful(row: _Row | None, jobs: Sequence[WorkflowJob], now: datetime) -> bool:
    if row is None:
        return True
    done = bool(row.thing.data["status"] == COMPLETED)
    if not jobs:
        updated = moment(row.thing.data["updated_at"])
        return not done or (updated is not None and updated > now - HOUR)
    return done != all(job.status == COMPLETED for job in jobs)
