"""One job: from the lease to FINISHED, whatever happens in between.

Two scopes, nested:

    actor's scope      ends it WITHOUT a word: no conclusion, the sandbox stays for recovery
    └─ job's scope     ends the JOB: user cancel, timeout, reap mode; the clean-up always follows

An actor begins wherever the ledger says the job stands, so a new job and one adopted from an
earlier life take the same path: look at the container, then do what is missing.

    provision ─▶ watch ─▶ end ─▶ finish
        └───────────┴─────▲ cancelled, refused, lost
"""

from functools import partial

import structlog
import trio

from runnerhub.actors.attempt import Attempt, Detached, Outcome
from runnerhub.actors.ending import end, finish
from runnerhub.actors.images import Images
from runnerhub.actors.lateword import LateWord
from runnerhub.actors.messages import CancelJob
from runnerhub.actors.provision import is_held, provision, refuse_unguarded
from runnerhub.actors.wakeups import wait_before_asking_again
from runnerhub.actors.warm import provision_warm
from runnerhub.actors.watch import REMOVED, lost_host, watch
from runnerhub.actors.world import HostState, World
from runnerhub.model.job import Job, Phase
from runnerhub.model.outcome import CANCELLED, Verdict
from runnerhub.ports.errors import (
    EngineUnavailable,
    LedgerUnavailable,
    StaleFence,
    Unavailable,
)
from runnerhub.runtime import ActorContext, cleanup

log = structlog.get_logger(__name__)


class JobActor:
    """Drive one attempt of one job.

    Args:
        world: ports, settings and hosts.
        host: where the attempt runs.
        job: the job as the ledger has it, LEASED or later.
        images: the images of that host.
        adopted: whether an earlier actor may have done anything for the attempt.
    """

    def __init__(
        self, world: World, host: HostState, job: Job, images: Images, *, adopted: bool
    ) -> None:
        self._attempt = Attempt(world, host, job, adopted=adopted)
        self._images = images
        self._fresh = not adopted
        self._scope = trio.CancelScope()
        self._cancelled: Verdict = CANCELLED
        self._pumping = False
        if job.cancel_requested:
            self._scope.cancel()

    async def run(self, ctx: ActorContext[CancelJob]) -> None:
        """Drive the job to its end.

        A stop or a cancellation detaches. A `CancelJob` ends the job and reaps its sandbox.
        """
        ctx.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, ctx, nursery.cancel_scope)
            try:
                await self._live()
            except* (Detached, StaleFence, LedgerUnavailable) as errors:
                # Recovery looks after the job, as soon as there is a ledger to look into.
                why = str(errors.exceptions[0])
                log.info("job detached", action="job_detached", job=self._attempt.job.id, why=why)
            nursery.cancel_scope.cancel()

    async def _listen(self, ctx: ActorContext[CancelJob], actor_scope: trio.CancelScope) -> None:
        async for message in ctx:
            self._cancelled = message.verdict
            self._scope.cancel()
        actor_scope.cancel()

    async def _live(self) -> None:
        attempt = self._attempt
        deadline_at: float | None = None
        if attempt.job.phase is not Phase.REAPING:
            outcome: Outcome | None = None
            async with trio.open_nursery() as pumps:
                with self._scope:
                    outcome = await self._until_outcome(pumps)
                deadline_at = trio.current_time() + attempt.budget + attempt.pool.stop_grace
                with cleanup(deadline_at):
                    await end(attempt, outcome or self._cancelled)
                pumps.cancel_scope.cancel()
        if attempt.job.phase is Phase.REAPING:
            await finish(attempt, deadline_at or trio.current_time() + attempt.budget)

    async def _until_outcome(self, pumps: trio.Nursery) -> Outcome:
        host, failures = self._attempt.host, 0
        while True:
            await self._attempt.trust()
            if host.lost:
                return lost_host(self._attempt)
            ticket = host.changed.ticket()
            try:
                return await self._try(pumps)
            except (EngineUnavailable, LedgerUnavailable):
                failures += 1
                await wait_before_asking_again(ticket, failures)

    async def _try(self, pumps: trio.Nursery) -> Outcome:
        attempt = self._attempt
        refused = await self._start(pumps)
        if refused is not None:
            return refused
        self._pump(pumps)
        if attempt.job.phase is not Phase.RUNNING:
            attempt.mark("started")
            await attempt.advance(Phase.RUNNING)
        return await watch(attempt)

    def _pump(self, pumps: trio.Nursery) -> None:
        if not self._pumping:
            self._pumping = True
            pumps.start_soon(self._attempt.pump.run)

    async def _start(self, pumps: trio.Nursery) -> Outcome | None:
        """See to it that the main container has started, by whatever it takes."""
        attempt = self._attempt
        if self._fresh:
            # Nothing of it exists but its kit, if it has one; the next try looks first.
            self._fresh = False
            return await self._start_fresh(pumps)
        async with attempt.host.questions:
            state = await attempt.host.engine.inspect_container(attempt.plan.main)
        if state is not None and state.started_at:
            return None
        if attempt.job.phase is Phase.RUNNING:
            return REMOVED
        attempt.joins_holder = attempt.plan.has_holder and await is_held(attempt)
        return await self._provision(pumps, created=state is not None)

    async def _start_fresh(self, pumps: trio.Nursery) -> Outcome | None:
        attempt = self._attempt
        kit = attempt.kit
        if kit is None or kit.stdin is None:
            return await self._provision(pumps)
        if (refused := refuse_unguarded(attempt)) is not None:
            return refused
        try:
            follow = partial(self._pump, pumps)
            return await provision_warm(attempt, kit, kit.stdin, self._images, follow)
        except Unavailable:
            # Nobody hands over a second time: without stdin it goes on, or says that it cannot.
            attempt.host.shelf.drop(kit.sandbox_id)
            raise

    async def _provision(self, pumps: trio.Nursery, *, created: bool = False) -> Outcome | None:
        """Provision; where that takes a while the ledger is told meanwhile how far it is."""
        if (refused := refuse_unguarded(self._attempt)) is not None:
            return refused
        late = LateWord(self._attempt)
        pumps.start_soon(late.run)
        try:
            return await provision(self._attempt, self._images, created=created)
        finally:
            late.cancel()
            with cleanup(trio.current_time() + self._attempt.budget):
                await late.done.wait()
