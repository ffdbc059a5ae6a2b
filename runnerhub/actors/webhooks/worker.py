"""The worker: what deliveries ask is done, in order of arrival, at least once."""

from collections.abc import Sequence
from typing import Any

import structlog
import trio

from runnerhub.actors.wakeups import wait_at_most
from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.ports.deliveries import MOST_ATTEMPTS, Claimed, Failure
from runnerhub.ports.errors import Unavailable
from runnerhub.ports.github_events import GitHubEvents
from runnerhub.runtime import ActorContext

log = structlog.get_logger(__name__)

BATCH = 256
CLAIM_SECONDS = 30.0
# Another node may have left something behind; what arrives here wakes the worker.
IDLE_SECONDS = 2.0
OUTAGE_SECONDS = 1.0
# What comes close together is worked on together, and those that come after are answered sooner.
GATHER_SECONDS = 0.02
LONGEST_DELAY = 60.0
PRUNE_EVERY = 3600.0
DONE_DAYS, KEEP_DAYS = 7.0, 30.0


class WebhookWorker:
    """Work on deliveries.

    Args:
        desk: of the webhooks.
        events: does what they ask.
    """

    def __init__(self, desk: WebhookDesk, events: GitHubEvents) -> None:
        self._desk = desk
        self._events = events
        self._count_at = 0.0
        self._prune_at = 0.0

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Work until stopped."""
        ctx.started()
        while not ctx.stopping.is_set():
            ticket, pause = self._desk.arrived.ticket(), IDLE_SECONDS
            try:
                if await self.round() == BATCH:
                    continue
                await self._look_around()
            except Unavailable as error:
                log.warning("webhooks wait", action="webhook_outage", error=str(error))
                ticket, pause = trio.Event(), OUTAGE_SECONDS
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._until_stopped, ctx, nursery.cancel_scope)
                if await wait_at_most(ticket, pause):
                    await trio.sleep(GATHER_SECONDS)
                nursery.cancel_scope.cancel()

    async def _until_stopped(self, ctx: ActorContext[Any], scope: trio.CancelScope) -> None:
        await ctx.stopping.wait()
        scope.cancel()

    async def round(self) -> int:
        """Work on what is due; count it."""
        claimed = await self._desk.deliveries.claim(
            self._desk.world.settings.node_id, BATCH, CLAIM_SECONDS
        )
        if claimed:
            failed = await self._work(claimed)
            bad = {failure.seq for failure in failed}
            done = [each.seq for each in claimed if each.seq not in bad]
            await self._desk.deliveries.settle(done, failed)
        return len(claimed)

    async def _work(self, batch: Sequence[Claimed]) -> Sequence[Failure]:
        try:
            await self._do(batch)
        except Unavailable:
            raise  # the claims come back
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this delivery's alone
            if len(batch) > 1:
                return [failure for each in batch for failure in await self._work([each])]
            return [self._failed(batch[0], error)]
        return ()

    async def _do(self, batch: Sequence[Claimed]) -> None:
        told = [job for each in batch if (job := each.delivery.asks.job) is not None]
        changed = {job.id for job in await self._events.workflow_jobs_changed(told)}
        tags = dict.fromkeys(tag for each in batch for tag in each.delivery.asks.stale)
        await self._events.drop_cache(tuple(tags))
        await self._events.keep_current([each.delivery.asks for each in batch])
        now = self._desk.now()
        for each in batch:
            job = each.delivery.asks.job
            result = "changed" if job is None or job.id in changed else "unchanged"
            self._desk.statistics.note_worked(each.delivery.event, result)
            self._desk.statistics.lags.note((now - each.received_at).total_seconds())

    def _failed(self, claimed: Claimed, error: Exception) -> Failure:
        last = claimed.attempt >= MOST_ATTEMPTS
        self._desk.statistics.note_worked(claimed.delivery.event, "dead" if last else "failed")
        log.error(
            "a delivery cannot be worked on",
            action="webhook_dead" if last else "webhook_failed",
            delivery=claimed.delivery.guid,
            attempt=claimed.attempt,
            exc_info=error,
        )
        delay = min(LONGEST_DELAY, 2.0 ** (claimed.attempt - 1))
        return Failure(claimed.seq, repr(error), None if last else delay)

    async def _look_around(self) -> None:
        now = trio.current_time()
        if now >= self._count_at:
            self._desk.backlog = await self._desk.deliveries.backlog()
            self._count_at = now + IDLE_SECONDS
        if now < self._prune_at:
            return
        while await self._desk.deliveries.prune(done_days=DONE_DAYS, dead_days=KEEP_DAYS):
            pass
        while await self._desk.jobs.prune_jobs(keep_days=KEEP_DAYS):
            pass
        self._prune_at = now + PRUNE_EVERY
