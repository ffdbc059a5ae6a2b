"""What is kept of GitHub in PostgreSQL."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from runnerhub.adapters.postgres import github_state_sql as sql
from runnerhub.adapters.postgres.rows import Row, dump
from runnerhub.adapters.postgres.store import Store
from runnerhub.adapters.postgres.webhook_rows import workflow_job
from runnerhub.model.github_sync import ORGANIZATION, Kind, Thing
from runnerhub.ports.github_state import (
    SETTLE_SECONDS,
    TOLD_DAYS,
    ListPage,
    Look,
    Seen,
    StatePage,
    cursor_of,
    read_cursor,
)

_PRUNE_BATCH = 5000


class PostgresGitHubState(Store):
    """Keep what is seen of GitHub: make it, then `open`, at the end `close`."""

    async def enlist(self, kind: Kind, scopes: Collection[str]) -> None:
        """Let these lists of a kind be looked at and no others."""
        wanted = {scope.lower(): scope for scope in scopes}

        async def work(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
            async with connection.transaction():
                sources = list(wanted)
                await connection.execute(sql.DROP_LOOKS, kind, sources)
                await connection.execute(sql.DROP_THINGS, kind, sources)
                await connection.execute(sql.ENLIST, kind, sources, list(wanted.values()))

        await self._run(work)

    async def due(self, limit: int) -> Sequence[Look]:
        """Return the looks that are due, the longest due first."""
        return [_look(row) for row in await self._fetch(sql.DUE, limit, TOLD_DAYS)]

    async def keep(self, look: Look, things: Sequence[Thing], *, since: int | None) -> int:
        """Write down what a look found; count what has changed."""
        source, kind = look.scope.lower(), look.kind
        ids = [thing.id for thing in things]

        async def work(connection: Any) -> int:  # noqa: ANN401 - asyncpg has no types
            async with connection.transaction():
                rows = _rows(things, source)
                kept = await connection.fetch(sql.KEEP, kind, rows)
                changed = sum(1 for row in kept if row["changed"])
                if since is None:
                    return changed
                args = (kind, source, ids, since, look.due_since)
                return changed + len(await connection.fetch(sql.REMOVE, *args))

        return await self._run(work)

    async def planned(self, look: Look, after_seconds: float) -> None:
        """Write down that a look was made, and when the next one is due."""
        pages = json.dumps([[page.etag, page.count] for page in look.pages])
        place = (look.kind, look.scope.lower())
        await self._fetch(
            sql.PLANNED, *place, look.interval, pages, look.since, look.busy, after_seconds
        )

    async def put_off(self, look: Look, after_seconds: float) -> None:
        """Write down that a look could not be made, and when it is due again."""
        await self._fetch(sql.PUT_OFF, look.kind, look.scope.lower(), after_seconds)

    async def tell(self, runs: Sequence[Thing]) -> None:
        """Write down runs that were told of."""
        # In one order everywhere; of several words on one run the last is kept.
        newest = {run.id: run for run in sorted(runs, key=lambda run: (run.id, run.version))}
        if newest:
            await self._fetch(sql.KEEP, Kind.RUNS, _rows(list(newest.values()), None))

    async def mark(
        self, told: Collection[str], soon: Collection[tuple[Kind, str]], after_seconds: float
    ) -> None:
        """Note that webhooks told of repositories, and let looks be due soon."""
        if told:
            await self._fetch(sql.TOLD, sorted(told))
        for kind, scope in sorted(soon):
            await self._fetch(sql.SOON, kind, scope, after_seconds)

    async def visible(self) -> Mapping[str, bool]:
        """Return the repositories that are seen and not archived."""
        found = await self._fetch(sql.VISIBLE)
        return {row["scope"]: row["owner_kind"] == ORGANIZATION for row in found}

    async def doubtful(self, limit: int) -> Sequence[tuple[str, int]]:
        """Return runs that contradict their jobs."""
        found = await self._fetch(sql.DOUBTFUL, SETTLE_SECONDS, limit)
        return [(row["scope"], row["id"]) for row in found]

    async def forget(self, kind: Kind, scope: str, number: int) -> None:
        """Remove a thing that is gone."""
        await self._fetch(sql.FORGET, kind, scope.lower(), number)

    async def things(
        self, kind: Kind, *, repository: str | None = None, cursor: str | None = None, limit: int
    ) -> StatePage:
        """List things, newest first."""
        scopes = None
        if repository is not None:
            scopes = [repository.lower()]
            if kind is Kind.RUNNERS:
                scopes.append(scopes[0].partition("/")[0])
        number, scope = read_cursor(cursor) if cursor is not None else (None, None)

        async def work(connection: Any) -> tuple[list[Row], list[Row]]:  # noqa: ANN401 - asyncpg
            rows = await connection.fetch(sql.THINGS, kind, scopes, number, scope, limit + 1)
            runs = [row["id"] for row in rows[:limit]] if kind is Kind.RUNS else []
            return rows, await connection.fetch(sql.JOBS, runs) if runs else []

        rows, found = await self._run(work)
        jobs = [workflow_job(row) for row in found]
        items = [
            Seen(
                Thing(row["id"], row["scope"], json.loads(row["data"]), row["version"]),
                row["seen_at"],
                tuple(job for job in jobs if job.run_id == row["id"]),
            )
            for row in rows[:limit]
        ]
        more = len(rows) > limit
        last = items[-1].thing if more else None
        return StatePage(items, cursor_of(last.id, last.scope) if last else None)

    async def prune_runs(self, *, keep_days: float) -> int:
        """Remove runs not seen for so long; count them."""
        return len(await self._fetch(sql.PRUNE, keep_days * 86400.0, _PRUNE_BATCH))


def _rows(things: Sequence[Thing], source: str | None) -> str:
    return dump(
        [
            {
                "source": source if source is not None else thing.scope.lower(),
                "id": thing.id,
                "scope": thing.scope,
                "version": thing.version,
                "data": dict(thing.data),
            }
            for thing in things
        ]
    )


def _look(row: Row) -> Look:
    pages = tuple(ListPage(etag, count) for etag, count in json.loads(row["pages"]))
    return Look(
        Kind(row["kind"]),
        row["scope"],
        row["interval"],
        pages,
        row["since"],
        row["busy"],
        row["told"],
        row["now"],
    )
