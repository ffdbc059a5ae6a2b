"""The effects of GitHub's events (`ports.github_events.GitHubEvents`), on ledger and cache."""

from collections.abc import Sequence

import structlog
import trio

from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.model.github_sync import told_by
from runnerhub.model.webhook import Action
from runnerhub.model.webhook_job import WorkflowJob
from runnerhub.ports.errors import PortError

log = structlog.get_logger(__name__)

# A cache that is away is left to the age of its entries, so that no job waits for it.
CACHE_SECONDS = 1.0
# What a webhook hints at is looked at when GitHub's own lists have followed.
SOON_SECONDS = 10.0


class Effects:
    """Write down workflow jobs, wake who starts runners, make the cache stale."""

    def __init__(self, desk: WebhookDesk) -> None:
        self._desk = desk

    async def workflow_jobs_changed(self, told: Sequence[WorkflowJob]) -> Sequence[WorkflowJob]:
        """Take note of what was told of workflow jobs, in order; return those that changed."""
        changed = await self._desk.jobs.observe(told) if told else ()
        if changed:
            self._desk.world.github_jobs_changed.notify()
        return changed

    async def keep_current(self, asks: Sequence[Action]) -> None:
        """Write down runs, and note what is to be looked at soon."""
        state = self._desk.world.github_state
        if state is None:
            return
        await state.tell([each.run for each in asks if each.run is not None])
        told, soon = told_by({tag for each in asks for tag in each.stale})
        if told or soon:
            await state.mark(told, soon, SOON_SECONDS)

    async def drop_cache(self, tags: Sequence[str]) -> None:
        """Make stale what the cache holds under these tags."""
        github = self._desk.world.github
        if github is None or not tags:
            return
        with trio.move_on_after(CACHE_SECONDS):
            try:
                await github.stale(tags)
            except PortError as error:
                log.info("cache is away", action="webhook_cache", why=str(error))
