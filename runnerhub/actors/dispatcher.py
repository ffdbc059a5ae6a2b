"""The dispatcher: queue and free slots → attempts with an actor.

    look ─▶ claim a batch ─▶ choose hosts ─▶ lease ─▶ start actors
                                              └────── acknowledge      beside the next round

Only placement classes that a host takes right now are claimed, so a job that fits nowhere blocks
nobody. A claim is a hint; the ledger's compare-and-set decides, under the host's lease. A batch
is bounded, for choosing hosts is done in one go.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog
import trio

from runnerhub.actors.foreman import Foreman
from runnerhub.actors.turns import in_turn, shares
from runnerhub.actors.wakeups import first_of
from runnerhub.actors.world import World
from runnerhub.model.placement import parse_class
from runnerhub.model.roster import Roster
from runnerhub.model.sandbox import new_sandbox_id
from runnerhub.ports.errors import LedgerUnavailable, QueueUnavailable
from runnerhub.ports.ledger import LeaseJob
from runnerhub.ports.queue import QueueEntry
from runnerhub.runtime import ActorContext

log = structlog.get_logger(__name__)

CLAIM_SECONDS = 30.0
TICK_SECONDS = 1.0
BATCH = 128  # to choose hosts for so many takes some milliseconds
AT_ONCE = 3
CLASSES_IN_ONE_GO = 256

_class_of = lru_cache(maxsize=1024)(parse_class)


@dataclass(frozen=True, slots=True)
class Batch:
    """What was claimed: the leases to take for it, and what no host is left for."""

    wanted: Sequence[LeaseJob] = ()
    rest: Sequence[QueueEntry] = ()


class Dispatcher:
    """Hand out slots.

    Args:
        world: ports, settings and hosts.
        foreman: starts the job actors.
    """

    def __init__(self, world: World, foreman: Foreman) -> None:
        self._world = world
        self._foreman = foreman
        self._roster = Roster()
        self._rest_until = 0.0

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Dispatch whenever there is work or a slot, until stopped. Stopping loses no claim."""
        ctx.started()
        turns = trio.Semaphore(AT_ONCE)
        async with trio.open_nursery() as nursery:
            while not ctx.stopping.is_set():
                ticket = self._world.work.ticket()
                await turns.acquire()
                batch = await self._next_batch()
                if batch.wanted:
                    # At once: it holds slots already, which `_take` alone lets go of.
                    nursery.start_soon(self._take, batch.wanted, turns)
                else:
                    turns.release()
                if batch.rest:
                    await self._give_back(batch.rest)
                if not batch.wanted:
                    await self._pause(ctx, ticket)

    async def _next_batch(self) -> Batch:
        if not self._world.claiming or trio.current_time() < self._rest_until:
            return Batch()
        try:
            batch = await self._claim()
        except QueueUnavailable as error:
            self._note_outage(error)
            return Batch()
        if not batch.wanted:
            self._note_success()
        return batch

    async def _give_back(self, entries: Sequence[QueueEntry]) -> None:
        """Let others claim these, before anybody claims what comes after them.

        What is lost here is found again when the queue is reconciled with the ledger.
        """
        try:
            await self._world.queue.acknowledge([entry.job_id for entry in entries])
            await self._world.queue.push(entries)
        except QueueUnavailable as error:
            self._note_outage(error)

    def _note_success(self) -> None:
        self._world.statistics.dispatched_at = self._world.now_ms() / 1000

    def _note_outage(self, error: Exception) -> None:
        log.warning("dispatch waits", action="dispatch_outage", error=str(error))
        self._rest_until = trio.current_time() + TICK_SECONDS

    async def _pause(self, ctx: ActorContext[Any], ticket: trio.Event) -> None:
        """Wait for work; in an outage not to be woken by it, for that would be at every job."""
        rest = self._rest_until - trio.current_time()
        with trio.move_on_after(rest if rest > 0 else TICK_SECONDS):
            await first_of(ctx.stopping, *([] if rest > 0 else [ticket]))

    async def _claim(self) -> Batch:
        self._roster.note(self._world.views())
        if not self._roster.free_slots:
            return Batch()
        look = await self._world.queue.look()
        if look.mark is None:
            self._world.forgotten.notify()
        fitting = await self._fitting(look.classes)
        if not fitting:
            return Batch()
        limits = shares(fitting, self._roster.free_slots, BATCH)
        entries = await self._world.queue.claim(limits, CLAIM_SECONDS)
        wanted = self._assign(entries, {key for key in limits if limits[key] < fitting[key]})
        placed = {lease.job_id for lease in wanted}
        return Batch(wanted, [entry for entry in entries if entry.job_id not in placed])

    async def _fitting(self, waiting: Mapping[str, int]) -> dict[str, int]:
        """Return the classes that a host takes right now, and how many wait in each."""
        fitting: dict[str, int] = {}
        for number, (key, count) in enumerate(waiting.items(), 1):
            if count and self._roster.choose(_class_of(key)) is not None:
                fitting[key] = count
            if number % CLASSES_IN_ONE_GO == 0:
                await trio.lowlevel.checkpoint()
        return fitting

    def _assign(self, entries: Sequence[QueueEntry], more: Collection[str]) -> list[LeaseJob]:
        """Choose a host for each claim for which one is left."""
        self._roster.note(self._world.views())
        wanted: list[LeaseJob] = []
        for entry in in_turn(entries, more):
            asked = _class_of(entry.placement)
            choice = self._roster.choose(asked)
            if choice is None:
                continue
            host = self._world.hosts[choice.name]
            if host.lease is None:
                continue
            kit = host.shelf.take(asked.kits)
            sandbox_id = kit.sandbox_id if kit else new_sandbox_id()
            host.hold(sandbox_id, asked)
            host.leasing.add(sandbox_id)
            self._roster.note([host.view()])
            wanted.append(LeaseJob(entry.job_id, host.name, host.lease.token, sandbox_id))
        return wanted

    async def _take(self, wanted: Sequence[LeaseJob], turns: trio.Semaphore) -> None:
        try:
            await self._lease(wanted)
            self._note_success()
            await self._world.queue.acknowledge([lease.job_id for lease in wanted])
        except (LedgerUnavailable, QueueUnavailable) as error:
            self._note_outage(error)
        finally:
            turns.release()

    async def _lease(self, wanted: Sequence[LeaseJob]) -> None:
        hosts = self._world.hosts
        try:
            jobs = await self._world.ledger.lease_jobs(wanted)
            # An actor exists before the slot could be taken for free.
            await self._foreman.start(jobs)
        finally:
            for lease in wanted:
                hosts[lease.host].leasing.discard(lease.sandbox_id)
        taken = {job.sandbox_id for job in jobs}
        for lease in wanted:
            if lease.sandbox_id not in taken:
                hosts[lease.host].shelf.put_back(lease.sandbox_id)
                hosts[lease.host].free(lease.sandbox_id)
                self._world.work.notify()
