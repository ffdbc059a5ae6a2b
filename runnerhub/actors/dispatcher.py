"""The dispatcher: queue and free slots → attempts with an actor.

Only placement classes that a host takes right now are claimed, so a job that fits nowhere blocks
nobody. A claim is a hint; the ledger's compare-and-set decides, under the host's lease.
"""

from collections.abc import Sequence
from heapq import merge
from typing import Any

import structlog
import trio

from runnerhub.actors.foreman import Foreman
from runnerhub.actors.world import HostState, World
from runnerhub.model.placement import HostView, parse_class, place
from runnerhub.model.sandbox import new_sandbox_id
from runnerhub.ports.errors import LedgerUnavailable, QueueUnavailable
from runnerhub.ports.ledger import LeaseJob
from runnerhub.ports.queue import QueueEntry
from runnerhub.runtime import ActorContext

log = structlog.get_logger(__name__)

CLAIM_SECONDS = 30.0
TICK_SECONDS = 1.0
AGING_MS = 60_000  # as the queue weighs within a class


def in_turn(entries: Sequence[QueueEntry]) -> list[QueueEntry]:
    """Return claims so that classes share what is free; the order within a class stays."""
    classes: dict[str, list[QueueEntry]] = {}
    for entry in entries:
        classes.setdefault(entry.placement, []).append(entry)
    return list(
        merge(*classes.values(), key=lambda each: each.accepted_ms / AGING_MS - each.priority)
    )


class Dispatcher:
    """Hand out slots.

    Args:
        world: ports, settings and hosts.
        foreman: starts the job actors.
    """

    def __init__(self, world: World, foreman: Foreman) -> None:
        self._world = world
        self._foreman = foreman

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Dispatch whenever there is work or a slot, until stopped. Stopping loses no claim."""
        ctx.started()
        while not ctx.stopping.is_set():
            ticket = self._world.work.ticket()
            dispatched = 0
            try:
                dispatched = await self._round() if self._world.claiming else 0
            except (LedgerUnavailable, QueueUnavailable) as error:
                log.warning("dispatch waits", action="dispatch_outage", error=str(error))
                ticket = trio.Event()
            else:
                self._world.statistics.dispatched_at = self._world.now_ms() / 1000
            if not dispatched:
                await self._pause(ctx, ticket)

    async def _pause(self, ctx: ActorContext[Any], ticket: trio.Event) -> None:
        with trio.move_on_after(TICK_SECONDS):
            async with trio.open_nursery() as nursery:

                async def stop() -> None:
                    await ctx.stopping.wait()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(stop)
                await ticket.wait()
                nursery.cancel_scope.cancel()

    async def _round(self) -> int:
        if not any(host.view().free_slots and not host.trouble for host in self._hosts):
            return 0
        limits = self._limits(await self._world.queue.classes())
        if not limits:
            return 0
        entries = in_turn(await self._world.queue.claim(limits, CLAIM_SECONDS))
        wanted = self._assign(entries)
        try:
            jobs = await self._world.ledger.lease_jobs(wanted)
            # An actor exists before the slot could be taken for free.
            await self._foreman.start(jobs)
        finally:
            for lease in wanted:
                self._world.hosts[lease.host].leasing.discard(lease.sandbox_id)
        taken = {job.sandbox_id for job in jobs}
        for lease in wanted:
            if lease.sandbox_id not in taken:
                host = self._world.hosts[lease.host]
                host.shelf.put_back(lease.sandbox_id)
                host.free(lease.sandbox_id)
        await self._world.queue.acknowledge([entry.job_id for entry in entries])
        # Each class may claim all that is free, so some got nothing. Those that are lost here
        # are found again when the queue is reconciled with the ledger.
        placed = {lease.job_id for lease in wanted}
        await self._world.queue.push([each for each in entries if each.job_id not in placed])
        return len(jobs)

    @property
    def _hosts(self) -> Sequence[HostState]:
        return tuple(self._world.hosts.values())

    def _limits(self, waiting: dict[str, int] | Any) -> dict[str, int]:  # noqa: ANN401
        limits: dict[str, int] = {}
        free = sum(view.free_slots for view in self._world.views() if view.trouble is None)
        for key, count in waiting.items():
            if count and isinstance(place(parse_class(key), self._world.views()), HostView):
                limits[key] = min(count, free)
        return limits

    def _assign(self, entries: Sequence[QueueEntry]) -> list[LeaseJob]:
        """Choose a host for each claim for which one is left."""
        wanted: list[LeaseJob] = []
        for entry in entries:
            choice = place(parse_class(entry.placement), self._world.views())
            if not isinstance(choice, HostView):
                continue
            host = self._world.hosts[choice.name]
            if host.lease is None:
                continue
            kit = host.shelf.take(parse_class(entry.placement).kits)
            sandbox_id = kit.sandbox_id if kit else new_sandbox_id()
            host.hold(sandbox_id, parse_class(entry.placement))
            host.leasing.add(sandbox_id)
            wanted.append(LeaseJob(entry.job_id, host.name, host.lease.token, sandbox_id))
        return wanted
