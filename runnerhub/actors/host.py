"""One Docker host: is it there, what happens on it, and what on it is nobody's.

    disconnected ──info, events──▶ connected ──stream ends──▶ disconnected (a gap)
         │                             │
         └─ for too long: lost         └─ sweeps: after each gap, on request, periodically

The event stream wakes whoever watches a container. A gap in it may hide anything, so after each
one the containers are listed, once, and whoever watches one that is not seen running is woken and
looks for itself. An engine that hangs keeps its stream open; so one that does not answer a sweep,
nor a question after that, is taken for disconnected.
"""

import random
from collections.abc import Sequence

import structlog
import trio

from runnerhub.actors.messages import Sweep
from runnerhub.actors.sweep import running, sweep
from runnerhub.actors.world import HostState, World
from runnerhub.model.sandbox import LABEL_CLUSTER
from runnerhub.ports.engine import ContainerState, EngineEvent
from runnerhub.ports.errors import EngineUnavailable, PortError
from runnerhub.runtime import ActorContext, Backoff

log = structlog.get_logger(__name__)

WATCHED = frozenset({"die", "destroy"})


class HostActor:
    """Drive one host for as long as this node owns it."""

    def __init__(self, world: World, host: HostState) -> None:
        self._world = world
        self._host = host
        self._sweep_wanted = trio.Event()
        self._stream = trio.CancelScope()
        self._backoff = Backoff()
        self._rng = random.Random(random.getrandbits(64))  # noqa: S311 - jitter; replays when seeded

    async def run(self, ctx: ActorContext[Sweep]) -> None:
        """Stay connected, and sweep, until stopped."""
        ctx.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stay_connected)
            nursery.start_soon(self._sweep_again_and_again)
            async for _ in ctx:
                self._sweep_wanted.set()
            nursery.cancel_scope.cancel()

    async def _stay_connected(self) -> None:
        host, attempt = self._host, 0
        away_since = trio.current_time()
        while True:
            try:
                host.info = await host.engine.info()
                label = f"{LABEL_CLUSTER}={self._world.cluster}"
                with trio.CancelScope() as self._stream:
                    async with host.engine.events(label) as events:
                        self._connected(await host.engine.containers(label))
                        attempt = 0
                        async for event in events:
                            self._note(event)
            except PortError as error:
                # One that refuses to tell is away too: crashes would take other hosts along.
                host.detail = str(error)
            if host.reachable:
                away_since = trio.current_time()
                host.reachable = False
                log.warning("host disconnected", action="host_gap", host=host.name)
                host.changed.notify()
            if not host.lost and (
                trio.current_time() - away_since > self._world.settings.host_lost_after
            ):
                host.lost = True
                log.error("host lost", action="host_lost", host=host.name, detail=host.detail)
                host.changed.notify_all()
            attempt += 1
            await trio.sleep(min(5.0, self._backoff.delay(attempt, self._rng)))

    def _note(self, event: EngineEvent) -> None:
        host = self._host
        if event.action == "kill":
            host.kills.add(event.name)
        elif event.action == "oom":
            host.ooms.add(event.name)
        elif event.action == "destroy":
            host.kills.discard(event.name)
            host.ooms.discard(event.name)
        if event.action in WATCHED:
            host.changed.notify(event.name)

    def _connected(self, listed: Sequence[ContainerState]) -> None:
        host = self._host
        host.running = running(listed)
        host.epoch += 1
        host.reachable, host.lost, host.detail = True, False, ""
        log.info("host connected", action="host_connected", host=host.name, epoch=host.epoch)
        host.changed.notify_others(host.running)
        host.changed.notify()
        self._world.work.notify()
        self._sweep_wanted.set()

    async def _sweep_again_and_again(self) -> None:
        while True:
            with trio.move_on_after(self._world.settings.sweep_every):
                await self._sweep_wanted.wait()
            self._sweep_wanted = trio.Event()
            if self._host.reachable and self._host.trusted:
                try:
                    await sweep(self._world, self._host)
                except PortError as error:
                    # An unreadable ledger or engine means: reap nothing, and look again.
                    log.warning(
                        "sweep put off",
                        action="sweep_put_off",
                        host=self._host.name,
                        error=str(error),
                    )
                    if isinstance(error, EngineUnavailable):
                        await self._see_whether_it_hangs()
                    with trio.move_on_after(1.0):
                        await self._sweep_wanted.wait()
                    self._sweep_wanted.set()

    async def _see_whether_it_hangs(self) -> None:
        try:
            await self._host.engine.info()
        except PortError as error:
            self._host.detail = str(error)
            self._stream.cancel()
