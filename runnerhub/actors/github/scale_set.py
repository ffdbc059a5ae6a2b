"""The listener of a scale set: on one node of the cluster at a time, by a lease.

no lease ─▶ reader and crew ─▶ lease lost, or not to be trusted any more ─▶ no lease
                 └─ stopped: close the session, release the lease

scale-sets          one_for_one
└─ scale-set:NAME   one for each
"""

from typing import Any

import structlog
import trio

from runnerhub.actors.github.scale_set_crew import Crew
from runnerhub.actors.github.scale_set_desk import ScaleSetDesk, ScaleSetState
from runnerhub.actors.github.scale_set_reader import Reader
from runnerhub.actors.wakeups import wait_at_most
from runnerhub.model.lease import Lease, trusted_until
from runnerhub.ports.errors import LedgerUnavailable, StaleFence
from runnerhub.runtime import ActorContext, ChildSpec, RestartIntensity, Supervisor, cleanup
from runnerhub.runtime.spec import AnySpec

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0
LET_GO_SECONDS = 2.0


class ScaleSetListener:
    """Listen to one scale set.

    Args:
        desk: what the listeners share.
        state: of the scale set.
    """

    def __init__(self, desk: ScaleSetDesk, state: ScaleSetState) -> None:
        self._desk = desk
        self._state = state
        self._name = state.options.name
        self._lease: Lease | None = None
        self._asked_at = 0.0

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Listen until stopped; then let go, so that another node need not wait."""
        ctx.started()
        while not ctx.stopping.is_set():
            try:
                if await self._take():
                    await self._listen(ctx)
            except LedgerUnavailable as error:
                log.warning("listener waits", action="lease_outage", error=str(error))
            await wait_at_most(ctx.stopping, TICK_SECONDS)

    async def _take(self) -> bool:
        """Take the lease, or renew that which nobody took while it could not be trusted."""
        settings, ledger = self._desk.world.settings, self._desk.world.ledger
        self._asked_at = trio.current_time()
        if self._lease is not None and await ledger.renew_leases([self._lease]):
            return True
        self._lease = await ledger.acquire_lease(
            f"scale-set:{self._name}", settings.node_id, settings.lease_ttl
        )
        return self._lease is not None

    async def _listen(self, ctx: ActorContext[Any]) -> None:
        lease = self._lease
        if lease is None:
            return
        reader = Reader(self._desk, self._state, lease.token)
        crew = Crew(self._desk, self._state, lease.token, ctx.registry)
        log.info("scale set owned", action="lease_acquired", scale_set=self._name)
        try:
            async with trio.open_nursery() as nursery:

                async def read() -> None:
                    try:
                        await reader.run()
                    except StaleFence:
                        nursery.cancel_scope.cancel()

                nursery.start_soon(read)
                nursery.start_soon(crew.run)
                nursery.start_soon(self._stay, lease, nursery.cancel_scope)
                await ctx.stopping.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._state.step_down()
        if ctx.stopping.is_set():
            await self._let_go(reader, lease)

    async def _stay(self, lease: Lease, scope: trio.CancelScope) -> None:
        """Renew the lease; end everything when it is lost, or cannot be trusted any more."""
        ledger = self._desk.world.ledger
        scope.deadline = trusted_until(self._asked_at, lease.ttl_seconds)
        while True:
            await trio.sleep(lease.ttl_seconds / 3)
            asked_at = trio.current_time()
            try:
                held = await ledger.renew_leases([lease])
            except LedgerUnavailable as error:
                log.warning("lease not renewed", action="lease_outage", error=str(error))
                continue
            if not held:
                log.warning("lease lost", action="lease_lost", scale_set=self._name)
                scope.cancel()
            scope.deadline = trusted_until(asked_at, lease.ttl_seconds)

    async def _let_go(self, reader: Reader, lease: Lease) -> None:
        self._lease = None
        with cleanup(trio.current_time() + LET_GO_SECONDS):
            await reader.close()
            try:
                await self._desk.world.ledger.release_lease(lease)
            except LedgerUnavailable:
                return


def build_scale_sets(desk: ScaleSetDesk) -> Supervisor:
    """Build the supervisor of the listeners."""
    return Supervisor(
        "scale-sets",
        [_spec(desk, state) for state in desk.states.values()],
        intensity=RestartIntensity(10, 60.0),
    )


def _spec(desk: ScaleSetDesk, state: ScaleSetState) -> AnySpec:
    async def listen(ctx: ActorContext[Any]) -> None:
        await ScaleSetListener(desk, state).run(ctx)

    name = f"scale-set:{state.options.name}"
    return ChildSpec(name, listen, kind="scale-set", shutdown=LET_GO_SECONDS + 1.0)
