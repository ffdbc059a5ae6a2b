"""Doubts: a run that contradicts its jobs is asked for by its id, and its jobs with it."""

from dataclasses import replace

import structlog
import trio

from runnerhub.actors.github.sync_desk import PATIENCE_SECONDS, SyncDesk
from runnerhub.model.budget import Priority
from runnerhub.model.github_sync import Kind, read_run
from runnerhub.model.webhook_job import read_job
from runnerhub.ports.github import GitHubNotConfigured, GitHubRefused, Request

log = structlog.get_logger(__name__)

MOST_DOUBTS = 100
MOST_A_ROUND = 20
AGAIN_SECONDS = 600.0
MOST_PAGES = 10
MOST_REMEMBERED = 10_000
NOT_FOUND, GONE = 404, 410


class Doubts:
    """Ask for runs that contradict their jobs, each now and then only.

    Args:
        desk: the ports.
    """

    def __init__(self, desk: SyncDesk) -> None:
        self._desk = desk
        self._asked: dict[int, float] = {}

    async def settle(self) -> None:
        """Ask for some. Raises as `GitHub.call`, and `LedgerUnavailable`."""
        now = trio.current_time()
        if len(self._asked) > MOST_REMEMBERED:
            self._asked = {n: at for n, at in self._asked.items() if now - at < AGAIN_SECONDS}
        wanted = [
            (scope, number)
            for scope, number in await self._desk.state.doubtful(MOST_DOUBTS)
            if now - self._asked.get(number, -AGAIN_SECONDS) >= AGAIN_SECONDS
        ]
        for scope, number in wanted[:MOST_A_ROUND]:
            try:
                await self._ask(scope, number)
            except GitHubRefused as error:
                if error.status in {NOT_FOUND, GONE}:
                    await self._desk.state.forget(Kind.RUNS, scope, number)
                log.info("run refused", action="sync_run_refused", run=number, why=str(error))
            except GitHubNotConfigured as error:
                log.info("run refused", action="sync_run_refused", run=number, why=str(error))
            self._asked[number] = now

    async def _ask(self, scope: str, number: int) -> None:
        path = f"/repos/{scope}/actions/runs/{number}"
        request = Request(
            "GET",
            path,
            kind="sync_run",
            priority=Priority.SYNC,
            patience=PATIENCE_SECONDS,
            cached=False,
        )
        run = read_run((await self._desk.github.call(request)).data, scope)
        jobs = replace(request, path=f"{path}/jobs", params={"per_page": 100}, kind="sync_jobs")
        told = []
        async for page in self._desk.github.pages(jobs, MOST_PAGES):
            data = page.data if isinstance(page.data, dict) else {}
            for raw in data.get("jobs") or ():
                if (job := read_job(raw, None, scope)) is not None:
                    told.append(job)  # noqa: PERF401 - an async loop
        await self._desk.events.workflow_jobs_changed(told)
        if run is not None:
            await self._desk.state.tell([run])
