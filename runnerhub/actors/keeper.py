"""The keeper: periodic duties of the queue and the ledger.

Losing all of Redis, or a part of it, loses nothing: what the ledger calls QUEUED and the queue
does not know is queued again. That all is lost is seen by the mark, which was lost with it.
"""

from typing import Any

import structlog
import trio

from runnerhub.actors.intake import enqueue
from runnerhub.actors.wakeups import first_of
from runnerhub.actors.world import World
from runnerhub.model.outcome import QUEUE_EXPIRED
from runnerhub.ports.errors import Unavailable
from runnerhub.runtime import ActorContext

log = structlog.get_logger(__name__)

PAGE = 500
PRUNE_EVERY = 3600.0


class Keeper:
    """Reconcile, expire and prune."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._prune_at = 0.0

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Do the rounds until stopped."""
        ctx.started()
        while not ctx.stopping.is_set():
            pause, forgotten = self._world.settings.reconcile_every, self._world.forgotten.ticket()
            try:
                await self._round()
            except Unavailable as error:
                log.warning("housekeeping waits", action="keeper_outage", error=str(error))
                pause = min(pause, 2.0)
            with trio.move_on_after(pause):
                await first_of(ctx.stopping, forgotten)

    async def _round(self) -> None:
        await self.reconcile()
        await self._world.queue.restore_expired()
        await self._expire()
        if trio.current_time() >= self._prune_at:
            settings = self._world.settings
            keep, logs = settings.keep_days, settings.log_days
            while True:
                counts = await self._world.ledger.prune(keep_days=keep, log_days=logs)
                if not any(counts.values()):
                    break
                log.info("pruned", action="pruned", **counts)
            self._prune_at = trio.current_time() + PRUNE_EVERY

    async def reconcile(self) -> int:
        """Queue what the ledger calls QUEUED and the queue does not know; count it.

        The queue is marked first, so that whatever is lost from then on takes the mark along.
        """
        await self._world.queue.mark(self._world.settings.node_id)
        last: str | None = None
        missing = waiting = 0
        oldest_at: float | None = None
        while page := await self._world.ledger.queued(last, PAGE):
            known = await self._world.queue.known([job.id for job in page])
            lost = [job for job in page if job.id not in known]
            await enqueue(self._world, lost)
            missing += len(lost)
            waiting += len(page)
            accepted_at = min(job.timestamps["accepted"].timestamp() for job in page)
            oldest_at = min(accepted_at, oldest_at or accepted_at)
            last = page[-1].id
        self._world.statistics.waiting = waiting
        self._world.statistics.oldest_at = oldest_at
        if missing:
            log.info("queue reconciled", action="queue_reconciled", count=missing)
        return missing

    async def _expire(self) -> None:
        ledger = self._world.ledger
        expired = await ledger.expired_in_queue(self._world.settings.queue_max, PAGE)
        for job_id in expired:
            await ledger.conclude_queued(job_id, QUEUE_EXPIRED)
        if expired:
            await self._world.queue.acknowledge(list(expired))
