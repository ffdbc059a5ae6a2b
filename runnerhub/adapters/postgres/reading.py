"""Read jobs and their history."""

from collections.abc import Collection, Mapping, Sequence

from runnerhub.adapters.postgres import rows
from runnerhub.adapters.postgres.gathering import Gathering
from runnerhub.adapters.postgres.store import Store
from runnerhub.model.ids import is_job_id
from runnerhub.model.job import Job, JobEvent, Phase, Status, status_of
from runnerhub.ports.ledger import JobPage, Standing
from runnerhub.runtime.bridge import Bridge

# Written out, so that the partial indexes serve.
_STATUS = {
    status: "phase IN ({})".format(", ".join(f"'{p}'" for p in Phase if status_of(p) is status))
    for status in Status
}

_PHASES = {str(phase): phase for phase in Phase}


class Reading(Store):
    """What can be asked of the jobs."""

    def __init__(self, bridge: Bridge, url: str, *, connections: int = 10) -> None:
        super().__init__(bridge, url, connections=connections)
        self._gathered: Gathering[str, Job | None] = Gathering(bridge, self._some)

    async def close(self) -> None:
        """Close the connections; harmless when repeated."""
        await self._gathered.close()
        await super().close()

    async def job(self, job_id: str) -> Job | None:
        """Return a job; None when there is none."""
        return await self._gathered.ask(job_id)

    async def _some(self, job_ids: Sequence[str]) -> Sequence[Job | None]:
        sql, keys = "SELECT * FROM jobs WHERE id = ANY($1)", list(set(job_ids))
        found = await self._work(lambda connection: connection.fetch(sql, keys))
        jobs = {row["id"]: rows.job(row) for row in found}
        return [jobs.get(job_id) for job_id in job_ids]

    async def jobs(
        self,
        *,
        status: Status | None = None,
        repository: str | None = None,
        dead_letters: bool = False,
        cursor: str | None = None,
        limit: int = 100,
    ) -> JobPage:
        """List jobs, newest first."""
        args: list[object] = [limit + 1]
        where = ["true"]
        if status is not None:
            where.append(_STATUS[status])
        if repository is not None:
            args.append(repository)
            where.append(f"repository = ${len(args)}")
        if dead_letters:
            where.append("dead_letter")
        if cursor is not None:
            if not is_job_id(cursor):
                raise ValueError("this is no cursor of ours; take next_cursor of the last page")
            args.append(cursor)
            where.append(f"id < ${len(args)}")
        sql = f"SELECT * FROM jobs WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT $1"  # noqa: S608 - constants
        found = [rows.job(row) for row in await self._fetch(sql, *args)]
        page = found[:limit]
        return JobPage(page, page[-1].id if page and len(found) > limit else None)

    async def events(self, job_id: str) -> Sequence[JobEvent]:
        """Return a job's history, in order."""
        sql = "SELECT * FROM job_events WHERE job_id = $1 ORDER BY seq"
        return [rows.event(row) for row in await self._fetch(sql, job_id)]

    async def queued(self, after: str | None, limit: int) -> Sequence[Job]:
        """Page through the jobs in QUEUED by id."""
        sql = "SELECT * FROM jobs WHERE phase = 'queued' AND id > $1 ORDER BY id LIMIT $2"
        return [rows.job(row) for row in await self._fetch(sql, after or "", limit)]

    async def standing(
        self, hosts: Collection[str], after: str | None, limit: int
    ) -> Sequence[Standing]:
        """Page by job id through where the jobs from LEASED to REAPING on these hosts stand."""
        sql = """
            SELECT id, host, sandbox_id, phase, cancel_requested FROM jobs
            WHERE host = ANY($1) AND phase <> 'finished' AND id > $2 ORDER BY id LIMIT $3
        """
        found = await self._fetch(sql, list(hosts), after or "", limit)
        return [Standing(a, b, c, _PHASES[d], e) for a, b, c, d, e in found]

    async def active(self, hosts: Collection[str], job_ids: Collection[str]) -> Sequence[Job]:
        """Return those of these jobs that are from LEASED to REAPING on these hosts."""
        sql = """
            SELECT * FROM jobs WHERE id = ANY($2) AND host = ANY($1) AND phase <> 'finished'
            ORDER BY id
        """
        return [rows.job(row) for row in await self._fetch(sql, list(hosts), list(job_ids))]

    async def open_runners(self) -> Sequence[Job]:
        """Return the jobs that are, or are to become, runners and are not FINISHED."""
        sql = """
            SELECT * FROM jobs WHERE phase <> 'finished' AND spec->'execution' ? 'runner'
            ORDER BY id LIMIT 10000
        """
        return [rows.job(row) for row in await self._fetch(sql)]

    async def live_sandboxes(self, host: str) -> frozenset[str]:
        """Return the sandbox ids of the attempts from LEASED to REAPING on a host."""
        sql = "SELECT sandbox_id FROM jobs WHERE host = $1 AND phase <> 'finished'"
        return frozenset(row["sandbox_id"] for row in await self._fetch(sql, host))

    async def expired_in_queue(self, older_than_seconds: float, limit: int) -> Sequence[str]:
        """Return ids of QUEUED jobs that were accepted longer ago than this."""
        sql = """
            SELECT id FROM jobs WHERE phase = 'queued'
                AND accepted_at < clock_timestamp() - make_interval(secs => $1)
            ORDER BY accepted_at, id LIMIT $2
        """
        return [row["id"] for row in await self._fetch(sql, float(older_than_seconds), limit)]

    async def queue_depths(self) -> Mapping[str, int]:
        """Count jobs by phase, FINISHED left out."""
        sql = "SELECT phase, count(*) AS n FROM jobs WHERE phase <> 'finished' GROUP BY phase"
        return {row["phase"]: row["n"] for row in await self._fetch(sql)}
