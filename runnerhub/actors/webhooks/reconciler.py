"""The reconciler: jobs that no delivery told of, or not as they stand, are found at GitHub."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
import trio

from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.actors.webhooks.repositories import visible_repositories
from runnerhub.model.budget import Priority
from runnerhub.model.webhook_job import COMPLETED, IN_PROGRESS, QUEUED, WorkflowJob, read_job, whole
from runnerhub.ports.github import GitHub, GitHubRefused, Request
from runnerhub.ports.github_events import GitHubEvents

log = structlog.get_logger(__name__)

MOST_REQUESTS = 100
MOST_UNHEARD = 30
UNHEARD_SECONDS = 600.0
RECENT_DAYS = 1.0
MOST_RECENT = 500
MOST_PAGES = 5
LISTED_EVERY = 600.0
SHUT_SECONDS = 3600.0
NOT_FOUND, GONE = 404, 410
STALE = "stale"  # GitHub's own word for what it has given up


class Spent(Exception):
    """The requests of this round are used up."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: a repository, or one run in it."""

    repository: str
    run: int | None = None


class Reconciler:
    """Compare the ledger with GitHub, a part in each round.

    Two lines of places are gone through: where something happened lately, and all others. Each
    goes on in the next round where it stopped, and begins anew when it came to its end.

    Args:
        desk: of the webhooks.
        github: the gateway.
        events: takes note of what is found.
    """

    def __init__(self, desk: WebhookDesk, github: GitHub, events: GitHubEvents) -> None:
        self._desk = desk
        self._github = github
        self._events = events
        self._left = 0
        self._recent: deque[Place] = deque()
        self._others: deque[Place] = deque()
        self._visible: Sequence[str] = ()
        self._list_at = 0.0
        self._shut_until: dict[str, float] = {}

    async def round(self) -> None:
        """Look, with at most `MOST_REQUESTS` requests. Raises as `GitHub.call`."""
        self._left = MOST_REQUESTS
        await self._follow_up()
        recent = await self._desk.jobs.repositories(RECENT_DAYS, limit=MOST_RECENT)
        if not self._recent:
            self._recent.extend(map(Place, recent))
        if not self._others:
            if trio.current_time() >= self._list_at:
                self._visible = await visible_repositories(
                    self._github, self._desk.app, self._desk.credentials
                )
                self._list_at = trio.current_time() + LISTED_EVERY
            self._others.extend(Place(name) for name in self._visible if name not in set(recent))
        await self._go_through(self._recent, self._left // 2)
        await self._go_through(self._others, self._left)

    async def _go_through(self, line: deque[Place], requests: int) -> None:
        spare, self._left = self._left - requests, requests
        try:
            while line:
                found = await self._look(line[0])
                line.popleft()
                line.extendleft(reversed(found))
        except Spent:
            return  # the first in the line is looked at again
        finally:
            self._left += spare

    async def _look(self, place: Place) -> Sequence[Place]:
        """Look at a place; return those to look at next."""
        if self._shut_until.get(place.repository, 0.0) > trio.current_time():
            return ()
        try:
            if place.run is not None:
                await self._take_note(await self._jobs(place.repository, place.run))
                return ()
            runs = [run for s in (QUEUED, IN_PROGRESS) for run in await self._runs(place, s)]
        except GitHubRefused as error:
            if place.run is None:
                self._shut_until[place.repository] = trio.current_time() + SHUT_SECONDS
            log.info("runs refused", action="runs_refused", place=str(place), why=str(error))
            return ()
        known = await self._desk.jobs.known_runs(runs)
        # Those of which nobody told come first.
        return [Place(place.repository, run) for run in sorted(runs, key=known.__contains__)]

    async def _runs(self, place: Place, status: str) -> list[int]:
        path = f"/repos/{place.repository}/actions/runs"
        tag = f"runs:{place.repository.lower()}"
        found = await self._list(path, "workflow_runs", "open_runs", tag, status=status)
        return [number for run in found if (number := whole(run.get("id"))) is not None]

    async def _jobs(self, repository: str, run: int) -> list[WorkflowJob]:
        path = f"/repos/{repository}/actions/runs/{run}/jobs"
        found = await self._list(path, "jobs", "open_jobs", f"run:{run}")
        return [job for raw in found if (job := read_job(raw, None, repository)) is not None]

    async def _list(
        self, path: str, name: str, kind: str, tag: str, **params: str
    ) -> list[dict[str, Any]]:
        request = Request(
            "GET",
            path,
            {"per_page": 100, **params},
            kind=kind,
            priority=Priority.RECONCILE,
            patience=30.0,
            tags=(tag,),
        )
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            self._spend()
            answer = await self._github.call(request)
            listed = answer.data.get(name) if isinstance(answer.data, dict) else None
            found += [each for each in listed or () if isinstance(each, dict)]
            if answer.next is None:
                break
            owner = path.split("/")[2]
            request = replace(request, path=answer.next, params={}, account=owner)
        return found

    async def _follow_up(self) -> None:
        """Ask for open jobs that were not heard of for long, one by one."""
        for job in await self._desk.jobs.unheard(UNHEARD_SECONDS, limit=MOST_UNHEARD):
            await self._take_note([await self._as_it_stands(job)])
            await self._desk.jobs.heard([job.id])

    async def _as_it_stands(self, job: WorkflowJob) -> WorkflowJob:
        self._spend()
        request = Request(
            "GET",
            f"/repos/{job.repository}/actions/jobs/{job.id}",
            kind="one_job",
            priority=Priority.RECONCILE,
            patience=30.0,
            tags=(f"runs:{job.repository.lower()}",),
        )
        try:
            answer = await self._github.call(request)
        except GitHubRefused as error:
            if error.status in {NOT_FOUND, GONE}:
                return replace(job, status=COMPLETED, conclusion=STALE)
            return job  # it may not be asked for: what is known stands
        return read_job(answer.data, None, job.repository) or job

    async def _take_note(self, told: list[WorkflowJob]) -> None:
        for job in await self._events.workflow_jobs_changed(told):
            self._desk.statistics.note_found(job.status)
            log.info("a job no delivery told of", action="job_found", job=job.id, status=job.status)

    def _spend(self) -> None:
        if self._left <= 0:
            raise Spent
        self._left -= 1
