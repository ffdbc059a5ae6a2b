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
from dataclasses import dataclass, field
from functools import partial
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
STARTED_TOGETHER = 16  # what they do first is done in one go
PAGE = 2000  # so are these told apart, which takes some milliseconds
ADOPTED_TOGETHER = 100


@dataclass(slots=True)
class _Read:
    """What the ledger says of the attempts on some hosts, and which of them have no actor."""

    sandboxes: dict[str, set[str]]
    jobs: set[str] = field(default_factory=set)
    undriven: dict[str, str] = field(default_factory=dict)


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

    async def start(self, jobs: Sequence[Job], *, adopted: bool = False) -> None:
        """Start an actor for each of these jobs that has none, some side by side.

        Args:
            jobs: LEASED or later.
            adopted: whether an earlier actor may have done anything for them.
        """
        for first in range(0, len(jobs), STARTED_TOGETHER):
            async with trio.open_nursery() as nursery:
                for job in jobs[first : first + STARTED_TOGETHER]:
                    nursery.start_soon(partial(self._start, job, adopted=adopted))

    async def _start(self, job: Job, *, adopted: bool) -> None:
        host = self._world.hosts.get(job.host or "")
        if host is None or job.sandbox_id is None:
            return
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
        with suppress(NameTaken, ActorDied):
            self._monitor.watch(await self._jobs.start_child(spec))

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
        tokens = {host.name: host.lease.token for host in owned if host.lease is not None}
        # What was confirmed before the ledger is read, and is not in it then, is over.
        confirmed = {host.name: host.held - host.leasing for host in owned}
        try:
            standing = await self._read(owned)
            for host in owned:
                confirmed[host.name].difference_update(standing.sandboxes[host.name])
                host.forget(*confirmed[host.name])
            missing = await self._still_missing(owned, standing.undriven)
        except LedgerUnavailable as error:
            log.warning("recovery waits", action="recovery_outage", error=str(error))
            return
        await self._start_missing(missing)
        for host in owned:
            if host.counted != tokens[host.name]:
                host.counted = tokens[host.name]
                host.changed.notify()
                self._world.work.notify()
        self._crashes = {k: v for k, v in self._crashes.items() if k in standing.jobs}
        self._not_before = {k: v for k, v in self._not_before.items() if k in standing.jobs}

    async def _read(self, owned: Sequence[HostState]) -> _Read:
        """Read where all attempts stand, page by page, and tell those who are to be cancelled."""
        found = _Read({host.name: set() for host in owned})
        last: str | None = None
        while page := await self._world.ledger.standing([*found.sandboxes], last, PAGE):
            for at in page:
                found.jobs.add(at.job_id)
                found.sandboxes[at.host].add(at.sandbox_id)
                ref = self._registry.whereis(job_actor_name(at.job_id))
                if ref is None:
                    if at.sandbox_id not in self._world.hosts[at.host].leasing:
                        found.undriven[at.job_id] = at.sandbox_id
                elif at.cancel_requested and at.phase is not Phase.REAPING:
                    with suppress(ActorDied, MailboxFull):
                        ref.tell(CancelJob(CANCELLED))
            if len(page) < PAGE:
                break
            last = page[-1].job_id
        return found

    async def _still_missing(
        self, owned: Sequence[HostState], missing: Mapping[str, str]
    ) -> Sequence[Job]:
        """Return the attempts that nobody drives, as the ledger has them now.

        What was read may be over by the time it is heard. So it is read again: an attempt that
        had no actor in between, and is still there, has nobody who could have moved it on.
        """
        ids = sorted(missing)
        again: list[Job] = []
        hosts = [host.name for host in owned]
        for first in range(0, len(ids), ADOPTED_TOGETHER):
            again += await self._world.ledger.active(hosts, ids[first : first + ADOPTED_TOGETHER])
        return [job for job in again if missing.get(job.id) == job.sandbox_id]

    async def _start_missing(self, missing: Iterable[Job]) -> None:
        adopted: list[Job] = []
        for job in missing:
            if trio.current_time() < self._not_before.get(job.id, 0.0):
                continue
            if self._crashes.get(job.id, 0) >= CRASHES_ALLOWED:
                await self._give_up(job)
                continue
            log.info("attempt adopted", action="job_adopted", job=job.id, phase=job.phase)
            adopted.append(job)
        await self.start(adopted, adopted=True)

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
