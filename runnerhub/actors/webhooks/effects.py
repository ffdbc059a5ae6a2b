"""The effects of GitHub's events (`ports.github_events.GitHubEvents`), on ledger and cache."""

from collections.abc import Sequence

import structlog
import trio

from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.model.webhook_job import WorkflowJob
from runnerhub.ports.errors import PortError

log = structlog.get_logger(__name__)

# A cache that is away is left to the age of its entries, so that no job waits for it.
CACHE_SECONDS = 1.0


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
