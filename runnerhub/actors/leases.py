"""The lease keeper: which hosts this node owns, and until when it may trust that.

PostgreSQL may be away for longer than a lease lasts. Then trust runs out and nobody here acts
on a host; but the lease is renewed under its old token when PostgreSQL is back and nobody took
it meanwhile, and everything goes on. Only a lease that another node holds is lost.
"""

from typing import Any

import structlog
import trio

from runnerhub.actors.world import HostState, World
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.runtime import ActorContext, cleanup

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Own the hosts that are to be had."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Acquire and renew until stopped; then let go, so that another node need not wait."""
        every = self._world.settings.lease_ttl / 3
        await self._round()
        ctx.started()
        while not ctx.stopping.is_set():
            with trio.move_on_after(every):
                await ctx.stopping.wait()
                break
            await self._round()
        await self._let_go()

    async def _round(self) -> None:
        try:
            await self._renew()
            await self._acquire()
        except LedgerUnavailable as error:
            log.warning("leases cannot be renewed", action="lease_outage", error=str(error))

    async def _renew(self) -> None:
        owned = {h.lease.resource: h for h in self._world.hosts.values() if h.lease is not None}
        if not owned:
            return
        asked_at = trio.current_time()
        held = await self._world.ledger.renew_leases([h.lease for h in owned.values() if h.lease])
        for lease in held:
            owned.pop(lease.resource).own(lease, asked_at)
        for host in owned.values():
            log.warning("lease lost", action="lease_lost", host=host.name)
            host.disown()

    async def _acquire(self) -> None:
        for host in self._world.hosts.values():
            if host.lease is None:
                await self._take(host)
        drained = await self._world.ledger.drained_hosts()
        for host in self._world.hosts.values():
            if host.draining != (host.name in drained):
                host.draining = host.name in drained
                self._world.work.notify()

    async def _take(self, host: HostState) -> None:
        settings = self._world.settings
        asked_at = trio.current_time()
        lease = await self._world.ledger.acquire_lease(
            f"host:{host.name}", settings.node_id, settings.lease_ttl
        )
        if lease is None:
            host.detail = "another node drives it"
            return
        log.info("host owned", action="lease_acquired", host=host.name, token=lease.token)
        host.own(lease, asked_at)
        self._world.work.notify()

    async def _let_go(self) -> None:
        with cleanup(trio.current_time() + 1.0):
            for host in self._world.hosts.values():
                lease = host.lease
                if lease is not None:
                    host.disown()
                    try:
                        await self._world.ledger.release_lease(lease)
                    except LedgerUnavailable:
                        return
