"""The foreman: every attempt on a host of ours has an actor, new ones and adopted ones alike.

    owned host, attempt in the ledger without an actor ─▶ start one (adopt)
    actor Down without the job's end                   ─▶ the same, after a backoff
    actor crashed too often                            ─▶ the job fails, its sandbox is reaped
    cancel requested (perhaps at another node)         ─▶ tell the actor

So recovery after kill -9 and supervision of a crashed actor are one and the same thing.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
import trio

from runnerhub.actors.images import Images
from runnerhub.actors.job import JobActor
from runnerhub.actors.messages import CancelJob, job_actor_name
from runnerhub.actors.world import HostState, World
from runnerhub.model.job import Conclusion, Job, Phase, Reason
from runnerhub.model.outcome import CANCELLED, Verdict
from runnerhub.model.placement import class_of
from runnerhub.ports.errors import LedgerUnavailable, StaleFence
from runnerhub.runtime import (
    ActorContext,
    ActorDied,
    ActorError,
    Backoff,
    ChildSpec,
    Down,
    MailboxFull,
    Monitor,
    NameTaken,
    Restart,
    Supervisor,
)
from runnerhub.runtime import (
    Reason as EndReason,
)

log = structlog.get_logger(__name__)

CRASHES_ALLOWED = 3


class Foreman:
    """Start job actors, and start them again.

    Args:
        world: ports, settings and hosts.
        jobs: the supervisor under which the job actors live.
        images: the images of each host, by its name.
    """

    def __init__(self, world: World, jobs: Supervisor, images: Mapping[str, Images]) -> None:
        self._world = world
        self._jobs = jobs
        self._images = images
        self._monitor = Monitor()
        self._crashes: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._backoff = Backoff()
        self._rng = random.Random(random.getrandbits(64))  # noqa: S311 - jitter; replays when seeded

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Look for attempts without an actor, until stopped."""
        self._registry = ctx.registry
        await self._round()
        ctx.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._note_downs)
            while not ctx.stopping.is_set():
                with trio.move_on_after(self._world.settings.recovery_every):
                    await ctx.stopping.wait()
                if not ctx.stopping.is_set():
                    await self._round()
            nursery.cancel_scope.cancel()
        self._monitor.close()

    async def start(self, jobs: Iterable[Job], *, adopted: bool = False) -> None:
        """Start an actor for each of these jobs that has none.

        Args:
            jobs: LEASED or later.
            adopted: whether an earlier actor may have done anything for them.
        """
        for job in jobs:
            host = self._world.hosts.get(job.host or "")
            if host is None or job.sandbox_id is None:
                continue
            host.hold(job.sandbox_id, class_of(job.spec))
            actor = JobActor(self._world, host, job, self._images[host.name], adopted=adopted)
            spec: ChildSpec[CancelJob] = ChildSpec(
                job_actor_name(job.id),
                actor.run,
                kind="job",
                restart=Restart.TEMPORARY,
                shutdown=self._world.settings.clean_up + 1.0,
                mailbox_size=8,
            )
            try:
                self._monitor.watch(await self._jobs.start_child(spec))
            except NameTaken:
                continue
            except ActorDied:
                return

    async def _note_downs(self) -> None:
        async for down in self._monitor:
            self._note(down)

    def _note(self, down: Down) -> None:
        job_id = down.name.removeprefix("job:")
        if down.reason is EndReason.CRASHED:
            self._crashes[job_id] = self._crashes.get(job_id, 0) + 1
            delay = self._backoff.delay(self._crashes[job_id], self._rng)
            self._not_before[job_id] = trio.current_time() + delay

    async def _round(self) -> None:
        owned = [h for h in self._world.hosts.values() if h.trusted]
        # What was confirmed before the ledger is read, and is not in it then, is over.
        confirmed = {host.name: host.held - host.leasing for host in owned}
        try:
            active = await self._world.ledger.active([host.name for host in owned])
            for host in owned:
                live = {job.sandbox_id for job in active if job.host == host.name}
                host.forget(*(confirmed[host.name] - live))
            missing = await self._still_missing(owned, active)
        except LedgerUnavailable as error:
            log.warning("recovery waits", action="recovery_outage", error=str(error))
            return
        self._tell_cancelled(active)
        await self._start_missing(missing)
        known = {job.id for job in active}
        self._crashes = {k: v for k, v in self._crashes.items() if k in known}
        self._not_before = {k: v for k, v in self._not_before.items() if k in known}

    async def _still_missing(
        self, owned: Sequence[HostState], active: Sequence[Job]
    ) -> Sequence[Job]:
        """Return the attempts that nobody drives, as the ledger has them now.

        What was read may be over by the time it is heard. So it is read again: an attempt that
        had no actor in between, and is still there, has nobody who could have moved it on.
        """
        leasing = {sandbox_id for host in owned for sandbox_id in host.leasing}
        missing = {
            job.id: job.sandbox_id
            for job in active
            if job.sandbox_id not in leasing and not self._is_driven(job)
        }
        if not missing:
            return ()
        again = await self._world.ledger.active([host.name for host in owned])
        return [job for job in again if missing.get(job.id) == job.sandbox_id]

    def _is_driven(self, job: Job) -> bool:
        return self._registry.whereis(job_actor_name(job.id)) is not None

    def _tell_cancelled(self, active: Iterable[Job]) -> None:
        for job in active:
            ref = self._registry.whereis(job_actor_name(job.id))
            if ref is not None and job.cancel_requested and job.phase is not Phase.REAPING:
                with suppress(ActorDied, MailboxFull):
                    ref.tell(CancelJob(CANCELLED))

    async def _start_missing(self, missing: Iterable[Job]) -> None:
        for job in missing:
            if trio.current_time() < self._not_before.get(job.id, 0.0):
                continue
            if self._crashes.get(job.id, 0) >= CRASHES_ALLOWED:
                await self._give_up(job)
                continue
            log.info("attempt adopted", action="job_adopted", job=job.id, phase=job.phase)
            await self.start([job], adopted=True)

    async def _give_up(self, job: Job) -> None:
        lease = self._world.hosts[job.host or ""].lease
        if lease is None or job.phase is Phase.REAPING:
            self._crashes.pop(job.id, None)
            return
        verdict = Verdict(
            Conclusion.FAILURE,
            Reason.INTERNAL_ERROR,
            f"its actor crashed {CRASHES_ALLOWED} times; see the log of RunnerHub",
        )
        try:
            await self._world.ledger.conclude(job.id, lease.token, job.attempt, verdict)
        except (LedgerUnavailable, StaleFence, ActorError) as error:
            log.warning("giving up put off", action="give_up_put_off", job=job.id, error=str(error))
