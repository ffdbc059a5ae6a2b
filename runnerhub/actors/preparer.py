"""The preparer: keeps a host's kits ready, a few at a time, and gives up what has gone stale.

A kit that was made before a gap in the event stream may be anything by now, so it is dropped
and made anew. What cannot be made (no such image, no shell in it) is told and tried again later.
"""

from contextlib import AsyncExitStack

import structlog
import trio

from runnerhub.actors.images import Images
from runnerhub.actors.kits import build_network, build_warm, idle_container, kit_plan
from runnerhub.actors.sandbox import reap
from runnerhub.actors.shelf import Kit
from runnerhub.actors.wakeups import first_of
from runnerhub.actors.world import HostState, World
from runnerhub.model.kit import Recipe, recipes
from runnerhub.model.sandbox import new_sandbox_id
from runnerhub.model.subnets import SubnetsSpent
from runnerhub.ports.errors import PortError, Unavailable
from runnerhub.runtime import ActorContext, CleanupTimeout

log = structlog.get_logger(__name__)

AT_ONCE = 2
LOOK_SECONDS = 5.0
# A network with its holder is a container more than a job needs. Where jobs come faster than the
# engine can start them they are better off without, but for some: nothing waits for ever.
YIELD_SECONDS = 10.0
TRY_AGAIN_SECONDS = 30.0
# A create that is cancelled may land after its removal, and behind a stop comes no sweep.
BUILD_SECONDS = 2.0
REAP_SECONDS = 2.0


class Preparer:
    """Keep the kits of one host ready.

    Args:
        world: ports, settings and hosts.
        host: where they are kept.
        images: the images of that host.
    """

    def __init__(self, world: World, host: HostState, images: Images) -> None:
        self._world = world
        self._host = host
        self._images = images
        self._recipes = recipes(world.settings.pools, host.holders)
        self._not_before: dict[str, float] = {}
        self._makers = trio.CapacityLimiter(AT_ONCE)
        self._stopping = trio.Event()

    async def run(self, ctx: ActorContext[None]) -> None:
        """Keep kits ready until stopped; a stop or a cancellation removes those nobody has."""
        ctx.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_ready, nursery)
            await ctx.stopping.wait()
            self._stopping.set()
            with trio.move_on_after(BUILD_SECONDS):
                for turn in range(AT_ONCE):  # those who are making let go of theirs when done
                    await self._makers.acquire_on_behalf_of(turn)
            nursery.cancel_scope.cancel()

    async def _keep_ready(self, nursery: trio.Nursery) -> None:
        host, shelf = self._host, self._host.shelf
        while True:
            on_shelf, on_host = shelf.changed.ticket(), host.changed.ticket()
            for kit in shelf:
                stale = kit.epoch != host.epoch and not kit.taken
                if stale or host.lease is None:
                    shelf.drop(kit.sandbox_id)
            if host.trouble is None and self._world.claiming and not self._stopping.is_set():
                for recipe in self._recipes:
                    self._make_missing(recipe, nursery)
            with trio.move_on_after(LOOK_SECONDS):
                await first_of(on_shelf, on_host)

    def _make_missing(self, recipe: Recipe, nursery: trio.Nursery) -> None:
        if trio.current_time() < self._not_before.get(recipe.key, 0.0):
            return
        for _ in range(recipe.count - self._host.shelf.count(recipe)):
            kit = Kit(new_sandbox_id(), recipe, self._host.epoch)
            self._host.shelf.put(kit)
            nursery.start_soon(self._make_and_hold, kit)

    async def _make_and_hold(self, kit: Kit) -> None:
        """Make a kit and hold it until an attempt is through with it, or nobody wants it."""
        host = self._host
        try:
            async with AsyncExitStack() as held:
                async with self._makers:
                    if kit.recipe.pool is None:
                        await self._yield_to_jobs()
                    if self._stopping.is_set():
                        return
                    await self._make(kit, held)
                host.troubles.pop(kit.recipe.key, None)
                kit.ready = True
                self._world.work.notify()
                await self._until_over(kit)
        except Unavailable:
            self._not_before[kit.recipe.key] = trio.current_time() + 1.0
        except (PortError, SubnetsSpent) as error:
            host.troubles[kit.recipe.key] = f"{kit.recipe.key} cannot be prepared: {error}"
            log.warning("kit failed", action="kit_failed", host=host.name, error=str(error))
            self._not_before[kit.recipe.key] = trio.current_time() + TRY_AGAIN_SECONDS
        finally:
            if not kit.taken:
                host.shelf.drop(kit.sandbox_id)
                await self._reap(kit)
            host.shelf.drop(kit.sandbox_id)

    async def _yield_to_jobs(self) -> None:
        with trio.move_on_after(YIELD_SECONDS):
            while not (self._host.shelf.calm.is_set() or self._stopping.is_set()):
                await first_of(self._host.shelf.calm, self._stopping)

    async def _until_over(self, kit: Kit) -> None:
        name, engine = idle_container(self._world, kit), self._host.engine
        while not kit.over.is_set():
            ticket = self._host.changed.ticket(name)
            if not kit.taken and kit.epoch == self._host.epoch:
                state = await engine.inspect_container(name)
                if state is None or state.status != "running":
                    return
            await first_of(kit.over, ticket)

    async def _make(self, kit: Kit, held: AsyncExitStack) -> None:
        host, plan = self._host, kit_plan(self._world, kit)
        if kit.recipe.pool is None:
            await build_network(host.engine, plan, self._world.subnets)
            return
        image = plan.execution.image
        await self._images.ensure(image, self._world.settings.image_pull)
        kit.image = await host.engine.image_config(image)
        disk = bool(host.info and host.info.disk_limits)
        await build_warm(host.engine, plan, self._world.subnets, disk=disk)
        kit.stdin = await held.enter_async_context(host.engine.open_stdin(plan.main))

    async def _reap(self, kit: Kit) -> None:
        deadline_at = trio.current_time() + REAP_SECONDS
        try:
            await reap(
                self._host.engine,
                kit_plan(self._world, kit),
                self._world.subnets,
                deadline_at=deadline_at,
            )
        except* (PortError, CleanupTimeout) as errors:
            # The sweep takes what is left: it is on no shelf, and no attempt names it.
            log.warning("kit stays", action="kit_reap_put_off", why=str(errors))
