"""The intake: requests that arrive together are made durable together, then queued."""

from collections.abc import Sequence
from functools import lru_cache

import structlog
import trio

from runnerhub.actors.messages import AcceptJob
from runnerhub.actors.world import World
from runnerhub.model.job import Job, Phase
from runnerhub.model.kit import kits_for
from runnerhub.model.placement import PlacementClass, class_of
from runnerhub.model.pool import Pool, pool_of
from runnerhub.ports.errors import PortError, QueueUnavailable, Unavailable
from runnerhub.ports.ledger import AcceptResult
from runnerhub.ports.queue import QueueEntry
from runnerhub.runtime import ActorContext

log = structlog.get_logger(__name__)

BATCH = 256
AT_ONCE = 2


@lru_cache(maxsize=1024)
def _key_of(wanted: PlacementClass) -> str:
    return wanted.key


def entry_for(job: Job, pools: Sequence[Pool], now_ms: int) -> QueueEntry:
    """Return what the queue needs to know of a queued job."""
    kits = kits_for(job.spec, pool_of(job.spec.labels, pools))
    accepted = job.timestamps.get("accepted")
    due = job.not_before
    return QueueEntry(
        job.id,
        job.spec.repository,
        _key_of(class_of(job.spec, kits)),
        job.spec.priority,
        int(accepted.timestamp() * 1000) if accepted else now_ms,
        max(0.0, due.timestamp() - now_ms / 1000) if due else 0.0,
    )


async def enqueue(world: World, jobs: Sequence[Job]) -> None:
    """Queue jobs. A queue that is away is no trouble: it is reconciled with the ledger."""
    pools, now_ms = world.settings.pools, world.now_ms()
    entries = [entry_for(job, pools, now_ms) for job in jobs if job.phase is Phase.QUEUED]
    if not entries:
        return
    try:
        await world.queue.push(entries)
    except QueueUnavailable as error:
        log.warning("queue is away", action="queue_outage", error=str(error))
    world.work.notify()


class Intake:
    """Accept jobs in batches: while one is being made durable and queued, the next is gathered."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, ctx: ActorContext[AcceptJob]) -> None:
        """Accept until stopped. What was answered is durable."""
        ctx.started()
        turns = trio.Semaphore(AT_ONCE)
        async with trio.open_nursery() as nursery:
            await turns.acquire()  # first, so that what has to wait waits in the mailbox
            async for first in ctx:
                batch = self._with_what_waits(first, ctx)
                nursery.start_soon(self._take, batch, turns)
                await turns.acquire()

    async def _take(self, batch: Sequence[AcceptJob], turns: trio.Semaphore) -> None:
        try:
            await enqueue(self._world, await self._accept(batch))
        finally:
            turns.release()

    @staticmethod
    def _with_what_waits(first: AcceptJob, ctx: ActorContext[AcceptJob]) -> list[AcceptJob]:
        batch = [first]
        while len(batch) < BATCH:
            try:
                batch.append(ctx.receive_nowait())
            except trio.WouldBlock:
                break
        return batch

    async def _accept(self, batch: Sequence[AcceptJob]) -> list[Job]:
        created: list[Job] = []
        for retry_of in dict.fromkeys(message.retry_of for message in batch):
            group = [message for message in batch if message.retry_of == retry_of]
            created += await self._accept_group(group, retry_of)
        return created

    async def _accept_group(self, group: Sequence[AcceptJob], retry_of: str | None) -> list[Job]:
        try:
            answers = await self._world.ledger.accept([m.spec for m in group], retry_of)
        except PortError as error:
            if len(group) > 1 and not isinstance(error, Unavailable):
                # One of them cannot be stored. It must not fail the others.
                return [j for m in group for j in await self._accept_group([m], retry_of)]
            for message in group:
                message.reply_to.fail(error)
            return []
        for message, answer in zip(group, answers, strict=True):
            message.reply_to.send(answer)
        return [answer.job for answer in answers if answer.result is AcceptResult.CREATED]
