"""One job: from the lease to FINISHED, whatever happens in between.

Two scopes, nested:

    actor's scope      ends it WITHOUT a word: no conclusion, the sandbox stays for recovery
    └─ job's scope     ends the JOB: user cancel, timeout, reap mode; the clean-up always follows

An actor begins wherever the ledger says the job stands, so a new job and one adopted from an
earlier life take the same path: look at the container, then do what is missing.
"""

import random

import structlog
import trio

from runnerhub.actors.images import Images
from runnerhub.actors.logpump import LogPump
from runnerhub.actors.messages import CancelJob
from runnerhub.actors.sandbox import ServiceNotReady, build, reap, start
from runnerhub.actors.world import HostState, World
from runnerhub.model.job import Conclusion, Job, Network, Phase, Reason
from runnerhub.model.outcome import (
    CANCELLED,
    KILLED_BY_RESTART,
    LostAttempt,
    Verdict,
    judge_exit,
    judge_refusal,
    timed_out,
    with_log,
    with_note,
)
from runnerhub.model.pool import pool_of
from runnerhub.model.sandbox import SandboxPlan, plan_for
from runnerhub.model.subnets import SubnetsSpent
from runnerhub.ports.engine import ContainerState
from runnerhub.ports.errors import (
    EngineRefused,
    EngineUnavailable,
    ImageMissing,
    ImagePullFailed,
    LedgerUnavailable,
    StaleFence,
    SubnetConflict,
)
from runnerhub.runtime import ActorContext, CleanupTimeout, cleanup

log = structlog.get_logger(__name__)

Outcome = Verdict | LostAttempt
LOG_END_SECONDS = 120.0
ENGINE_STOP_SECONDS = 5.0


class Detached(Exception):
    """This node does not drive the host any more: leave everything as it is."""


class JobActor:
    """Drive one attempt of one job.

    Args:
        world: ports, settings and hosts.
        host: where the attempt runs.
        job: the job as the ledger has it, LEASED or later.
        images: the images of that host.
    """

    def __init__(self, world: World, host: HostState, job: Job, images: Images) -> None:
        self._world = world
        self._host = host
        self._job = job
        self._images = images
        self._pool = pool_of(job.spec.labels, world.settings.pools)
        self._plan: SandboxPlan = plan_for(
            job, world.cluster, self._pool.relaxations, world.settings.log_max_mb
        )
        self._scope = trio.CancelScope()
        self._cancelled: Verdict = CANCELLED
        self._pump = LogPump(world, host, job, self._plan.main)
        self._pumping = False
        self._epoch: int | None = None  # of the stream in which the container was seen running
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
                log.info("job detached", action="job_detached", job=self._job.id, why=why)
            nursery.cancel_scope.cancel()

    async def _listen(self, ctx: ActorContext[CancelJob], actor_scope: trio.CancelScope) -> None:
        async for message in ctx:
            self._cancelled = message.verdict
            self._scope.cancel()
        actor_scope.cancel()

    async def _live(self) -> None:
        if self._job.phase is not Phase.REAPING:
            outcome: Outcome | None = None
            async with trio.open_nursery() as pumps:
                with self._scope:
                    outcome = await self._attempt(pumps)
                with cleanup(trio.current_time() + self._budget + self._pool.stop_grace):
                    await self._end(outcome or self._cancelled)
                pumps.cancel_scope.cancel()
        if self._job.phase is Phase.REAPING:
            await self._reap()

    # ------------------------------------------------------------------ the attempt

    async def _attempt(self, pumps: trio.Nursery) -> Outcome:
        while True:
            await self._trust()
            if self._host.lost:
                return LostAttempt(
                    Reason.HOST_LOST, f"{self._host.name} is lost: {self._host.detail}"
                )
            ticket = self._host.changed.ticket()
            try:
                return await self._try_attempt(pumps)
            except (EngineUnavailable, LedgerUnavailable):
                with trio.move_on_after(1.0):
                    await ticket.wait()

    async def _try_attempt(self, pumps: trio.Nursery) -> Outcome:
        engine, plan = self._host.engine, self._plan
        state = await engine.inspect_container(plan.main)
        if state is None or not state.started_at:
            if self._job.phase is Phase.RUNNING:
                return LostAttempt(Reason.SANDBOX_LOST, "the container was removed by somebody")
            refused = await self._provision()
            if refused is not None:
                return refused
        if self._job.phase is not Phase.RUNNING:
            await self._advance(Phase.RUNNING, "started")
        if not self._pumping:
            self._pumping = True
            pumps.start_soon(self._pump.run)
        limit = self._job.spec.timeout_seconds - self._seconds_since_start()
        outcome: Outcome = timed_out(self._job.spec.timeout_seconds)
        with trio.move_on_after(max(0.0, limit)):
            outcome = await self._watch()
        if isinstance(outcome, Verdict) and outcome.conclusion is not Conclusion.TIMED_OUT:
            with trio.move_on_after(LOG_END_SECONDS):
                await self._pump.done.wait()
            return with_log(outcome, says_disk_full=self._pump.says_disk_full)
        return outcome

    async def _provision(self) -> Outcome | None:
        engine, execution = self._host.engine, self._plan.execution
        policy = self._world.settings.image_pull
        if (
            self._pool.require_egress_guard
            and execution.network is Network.EGRESS
            and not self._host.guarded
        ):
            words = f"{self._host.name} has no egress guard, which the pool requires"
            return Verdict(Conclusion.FAILURE, Reason.START_FAILED, words)
        try:
            for image in dict.fromkeys([execution.image, *(s.image for s in execution.services)]):
                await self._images.ensure(image, policy)
            await self._advance(Phase.PROVISIONING, "image_ready")
            await self._trust()
            info = self._host.info
            disk = bool(info and info.disk_limits)
            await build(engine, self._plan, self._world.subnets, disk=disk)
            await self._advance(Phase.PROVISIONING, "created")
            self._epoch = self._host.epoch
            await start(engine, self._plan.main)
        except (ImagePullFailed, ImageMissing) as error:
            return Verdict(Conclusion.FAILURE, Reason.IMAGE_UNAVAILABLE, str(error))
        except ServiceNotReady as error:
            return Verdict(Conclusion.FAILURE, Reason.SERVICE_NOT_READY, str(error))
        except (SubnetConflict, SubnetsSpent) as error:
            return LostAttempt(Reason.START_FAILED, str(error))
        except EngineRefused as error:
            return judge_refusal(str(error))
        return None

    async def _watch(self) -> Outcome:
        host, name = self._host, self._plan.main
        while True:
            anything, own = host.changed.ticket(), host.changed.ticket(name)
            if host.lease is None:
                raise Detached(f"{host.name} is driven by another node")
            if host.lost:
                return LostAttempt(Reason.HOST_LOST, f"{host.name} is lost: {host.detail}")
            if host.reachable:
                epoch = host.epoch
                try:
                    state = await host.engine.inspect_container(name)
                except EngineUnavailable:
                    with trio.move_on_after(1.0):
                        await anything.wait()
                    continue
                if state is None:
                    return LostAttempt(Reason.SANDBOX_LOST, "the container was removed by somebody")
                if state.has_ended:
                    return await self._judge(state)
                self._epoch = epoch
            await _first_of(anything, own)

    async def _judge(self, state: ContainerState) -> Outcome:
        code = state.exit_code if state.exit_code is not None else -1
        if code in KILLED_BY_RESTART and self._plan.main in self._host.kills:
            await self._see_whether_engine_stops()
        outcome = judge_exit(
            code,
            out_of_memory=state.out_of_memory,
            across_restart=self._host.epoch != self._epoch,
        )
        if isinstance(outcome, Verdict):
            await self._advance(Phase.RUNNING, "exited")
        return outcome

    async def _see_whether_engine_stops(self) -> None:
        """Wait a while for the event stream to break.

        An engine that is stopped in order kills its containers, and says so, about a second
        before it goes away. Seen like that, its kill is no different from somebody's.
        """
        with trio.move_on_after(ENGINE_STOP_SECONDS):
            while self._host.reachable and self._host.epoch == self._epoch:
                await self._host.changed.ticket().wait()
        while not self._host.reachable and not self._host.lost:
            await self._host.changed.ticket().wait()

    # ------------------------------------------------------------------ the end

    async def _end(self, outcome: Outcome) -> None:
        await self._trust()
        if isinstance(outcome, Verdict):
            ran = self._job.phase is Phase.RUNNING
            note = self._host.unkept(self._plan.execution) if ran else None
            await self._conclude(with_note(outcome, note), dead_letter=False)
        elif self._job.strikes + 1 >= self._world.settings.max_attempts:
            words = f"given up after {self._job.attempt} attempts: {outcome.explanation}"
            verdict = Verdict(Conclusion.FAILURE, outcome.reason, words)
            await self._conclude(verdict, dead_letter=True)
        else:
            await self._give_back(outcome)

    async def _conclude(self, verdict: Verdict, *, dead_letter: bool) -> None:
        """Kill, let the log end, then write the conclusion: a completed job's log is whole."""
        host = self._host
        if host.reachable:
            try:
                await host.engine.stop_container(self._plan.main, self._pool.stop_grace)
                if self._job.phase is Phase.RUNNING:
                    with trio.move_on_after(self._budget / 2):
                        await self._pump.done.wait()
            except (EngineUnavailable, EngineRefused) as error:
                log.warning(
                    "could not stop", action="stop_failed", job=self._job.id, why=str(error)
                )
        while True:
            try:
                self._job = await self._world.ledger.conclude(
                    self._job.id, self._fence, self._job.attempt, verdict, dead_letter=dead_letter
                )
            except LedgerUnavailable:
                await trio.sleep(0.5)
            else:
                self._world.logs_changed.notify(self._job.id)
                return

    async def _give_back(self, lost: LostAttempt) -> None:
        if self._host.reachable:
            deadline_at = trio.current_time() + self._budget
            try:
                await reap(
                    self._host.engine, self._plan, self._world.subnets, deadline_at=deadline_at
                )
            except* (EngineUnavailable, EngineRefused, CleanupTimeout):
                pass  # the sweep takes what is left: no live attempt names it any more
        strikes = self._job.strikes
        self._job = await self._world.ledger.give_back(
            self._job.id,
            self._fence,
            self._job.attempt,
            reason=lost.reason,
            explanation=lost.explanation,
            strike=True,
            delay_seconds=self._world.settings.retry_delay * 2**strikes * random.uniform(0.8, 1.2),  # noqa: S311 - jitter
        )
        self._release()

    async def _reap(self) -> None:
        await self._trust()
        deadline_at = trio.current_time() + self._budget
        try:
            await reap(self._host.engine, self._plan, self._world.subnets, deadline_at=deadline_at)
            with cleanup(deadline_at):
                self._job = await self._world.ledger.finish(
                    self._job.id, self._fence, self._job.attempt
                )
        except* (EngineUnavailable, EngineRefused, CleanupTimeout, LedgerUnavailable) as errors:
            # Still REAPING: recovery sends another actor.
            log.warning("reaping put off", action="reap_put_off", job=self._job.id, why=str(errors))
        if self._job.phase is Phase.FINISHED:
            self._world.statistics.note(self._job)
            self._release()

    def _release(self) -> None:
        self._host.free(self._plan.sandbox_id)
        self._host.changed.notify(self._plan.main)
        self._world.logs_changed.notify(self._job.id)
        self._world.work.notify()

    # ------------------------------------------------------------------ small steps

    @property
    def _budget(self) -> float:
        return self._world.settings.clean_up

    @property
    def _fence(self) -> int:
        lease = self._host.lease
        if lease is None:
            raise Detached(f"{self._host.name} is driven by another node")
        return lease.token

    async def _trust(self) -> None:
        """Wait until this node may act on the host. Raises Detached when another one may."""
        while not self._host.trusted:
            if self._host.lease is None:
                raise Detached(f"{self._host.name} is driven by another node")
            ticket = self._host.changed.ticket()
            with trio.move_on_after(1.0):
                await ticket.wait()

    async def _advance(self, to: Phase, *stamps: str) -> None:
        self._job = await self._world.ledger.advance(
            self._job.id, self._fence, self._job.attempt, to, *stamps
        )

    def _seconds_since_start(self) -> float:
        started = self._job.timestamps.get("started")
        if started is None:
            return 0.0
        return max(0.0, self._world.now_ms() / 1000 - started.timestamp())


async def _first_of(*events: trio.Event) -> None:
    async with trio.open_nursery() as nursery:

        async def wait(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        for event in events:
            nursery.start_soon(wait, event)
