"""The crew of a scale set: as many runners as GitHub has assigned jobs, and none too many.

It decides anew from what the ledger says each time something changed, so that a crash loses no
demand. A start whose answer is lost is asked for again under the same external id.
"""

from collections.abc import Sequence
from itertools import count

import structlog
import trio

from runnerhub.actors.github.departures import Departures
from runnerhub.actors.github.retiring import retire
from runnerhub.actors.github.scale_set_desk import ScaleSetDesk, ScaleSetState
from runnerhub.actors.github.setbacks import Setbacks
from runnerhub.actors.messages import AcceptJob
from runnerhub.actors.wakeups import wait_at_most
from runnerhub.model.fleet import Fleet, Retire
from runnerhub.model.job import Execution, Job, JobSpec, Phase
from runnerhub.model.runner import RunnerWish, runner_name, sandbox_of_runner
from runnerhub.model.scale_set import desired, live, to_retire
from runnerhub.ports.errors import PortError
from runnerhub.runtime import ActorDied, AskTimeout, MailboxFull, Registry

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0
GHOST_SECONDS = 60.0
PRUNE_SECONDS = 3600.0
MOST_STARTS = 50
ACCEPT_SECONDS = 8.0
_GOING = frozenset({Phase.REAPING, Phase.FINISHED})


class Crew:
    """Keep the runners of one scale set, as long as its node has the lease.

    Args:
        desk: what the listeners share.
        state: of the scale set.
        fence: the token of the lease: it makes external ids unique.
        registry: of the tree.
    """

    def __init__(
        self, desk: ScaleSetDesk, state: ScaleSetState, fence: int, registry: Registry
    ) -> None:
        self._desk = desk
        self._state = state
        self._options = state.options
        self._fence = fence
        self._registry = registry
        self._numbers = count(1)
        self._pending: list[JobSpec] = []
        self._setbacks = Setbacks()
        self._departures = Departures(desk.patience.telling)
        self._waiting_since: float | None = None
        self._ghosts_at = trio.current_time()
        self._prune_at = trio.current_time()

    async def run(self) -> None:
        """Keep them until cancelled. Runners that are there stay, for whoever goes on."""
        while True:
            ticket = self._state.changed.ticket()
            try:
                await self._round()
            except PortError as error:
                log.warning(
                    "crew waits", action="scale_set_outage",
                    scale_set=self._options.name, why=str(error),
                )  # fmt: skip
                ticket = trio.Event()
            await wait_at_most(ticket, TICK_SECONDS)

    async def _round(self) -> None:
        wish, statistics = self._desk.wish(self._state), self._state.statistics
        ours = await self._runners()
        self._state.capacity = self._desk.capacity(self._options, [each.host for each in ours])
        self._tell_of_room()
        if wish is None or statistics is None:
            return
        runners = [each for each in ours if _scale_set(each) == wish.scale_set]
        fleet = await self._fleet(runners)
        await self._note_setbacks(fleet)
        wanted = desired(statistics, self._options.bounds)
        self._state.desired, self._state.runners = wanted, len(live(fleet))
        await self._start(wish, wanted - len(live(fleet)))
        waiting = self._waiting(statistics.assigned_jobs > statistics.running_jobs)
        gone = [Retire(each, "its scale set is gone") for each in ours if each not in runners]
        for given in [
            *gone,
            *to_retire(fleet, wanted, waiting, self._desk.now(), self._desk.patience),
        ]:
            await retire(self._desk.world, self._registry, given)
        await self._now_and_then()

    async def _note_setbacks(self, fleet: Fleet) -> None:
        now = trio.current_time()
        failed = await self._departures.note(self._desk.world.ledger, fleet.runners, now)
        self._departures.remain(fleet.free())
        self._setbacks.note(fleet, failed, now)

    async def _runners(self) -> list[Job]:
        """Return the runners of this scale set, and of one of its name that is gone."""
        return [
            each
            for each in await self._desk.world.ledger.open_runners()
            if (wish := each.spec.execution.runner) is not None
            and wish.scale_set is not None
            and (wish.scope, wish.pool) == (self._options.scope, self._options.pool.name)
            and each.phase not in _GOING
        ]

    async def _fleet(self, runners: Sequence[Job]) -> Fleet:
        cluster = self._desk.world.cluster
        names = [runner_name(cluster, each.sandbox_id) for each in runners if each.sandbox_id]
        jobs = await self._desk.ledger.jobs_of(self._options.name, names)
        bound = {job.runner_name or "": job for job in jobs}
        return Fleet(cluster, (self._options.pool,), (), runners, bound)

    def _tell_of_room(self) -> None:
        """End a poll that told of no room, now that there is some."""
        told, statistics = self._state.told, self._state.statistics
        assigned = statistics.assigned_jobs if statistics is not None else 0
        if told is not None and told[0] <= assigned < self._state.capacity:
            told[1].cancel()

    def _waiting(self, waits: bool) -> float:  # noqa: FBT001 - private
        """Return for how many seconds jobs have waited without a break."""
        now = trio.current_time()
        self._waiting_since = (self._waiting_since or now) if waits else None
        return now - (self._waiting_since if self._waiting_since is not None else now)

    async def _start(self, wish: RunnerWish, missing: int) -> None:
        if self._options.pool.name in self._setbacks.held_back(trio.current_time()):
            return
        new = min(missing, MOST_STARTS) - len(self._pending)
        self._pending += [self._spec(wish) for _ in range(new)]
        for spec in list(self._pending):
            if not await self._delegate(spec):
                return
            self._pending.remove(spec)

    async def _delegate(self, spec: JobSpec) -> bool:
        try:
            await self._registry.ref("intake").ask(
                lambda reply_to: AcceptJob(spec, None, reply_to), ACCEPT_SECONDS
            )
        except (MailboxFull, AskTimeout, ActorDied) as error:
            log.warning("runner put off", action="runner_put_off", why=str(error))
            return False
        log.info("runner wanted", action="runner_wanted", scale_set=self._options.name)
        return True

    def _spec(self, wish: RunnerWish) -> JobSpec:
        pool, options = self._options.pool, self._options
        return JobSpec(
            f"scale-set-{options.name}-{self._fence}-{next(self._numbers)}",
            options.scope.split("/", 2)[2],
            Execution(
                pool.image or "", resources=pool.resources, network=pool.network, runner=wish
            ),
            job_name=f"runner of {options.name}",
            labels=tuple(sorted(pool.labels)),
        )

    async def _now_and_then(self) -> None:
        if trio.current_time() >= self._ghosts_at:
            self._ghosts_at = trio.current_time() + GHOST_SECONDS
            await self._reap_ghosts()
        if trio.current_time() >= self._prune_at:
            self._prune_at = trio.current_time() + PRUNE_SECONDS
            await self._desk.ledger.prune(keep_days=self._desk.world.settings.keep_days)

    async def _reap_ghosts(self) -> None:
        """Read the names FIRST, then who lives: what is registered meanwhile is among them."""
        world = self._desk.world
        noted = await self._desk.ledger.noted_runners(self._options.scope)
        alive = {each.sandbox_id for each in await world.ledger.open_runners()}
        for name, wish in noted.items():
            if sandbox_of_runner(world.cluster, name) in alive or world.runners is None:
                continue
            if await world.runners.deregister(wish, name):
                log.info("ghost deregistered", action="ghost_reaped", runner=name)


def _scale_set(runner: Job) -> int | None:
    wish = runner.spec.execution.runner
    return wish.scale_set if wish is not None else None
