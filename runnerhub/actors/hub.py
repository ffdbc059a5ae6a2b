"""The core as the doors see it: `ports.hub.Hub`, over the world and the running tree."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace

import trio

from runnerhub.actors.messages import AcceptJob, CancelJob, Sweep, host_actor_name, job_actor_name
from runnerhub.actors.wakeups import wait_at_most
from runnerhub.actors.world import HostState, World
from runnerhub.model.job import Job, JobSpec, Phase, Status
from runnerhub.model.outcome import CANCELLED
from runnerhub.model.placement import class_of, explain_waiting
from runnerhub.model.pool import Pool, pool_of
from runnerhub.ports.errors import LedgerUnavailable, QueueUnavailable
from runnerhub.ports.github_state import GitHubState
from runnerhub.ports.hub import Dependency, HostStatus, Overloaded, TreeNode
from runnerhub.ports.ledger import Accepted, Ledger
from runnerhub.runtime import ActorDied, ActorSnapshot, AskTimeout, MailboxFull, Root

ACCEPT_SECONDS = 8.0
LOG_TICK_SECONDS = 1.0
NO_GITHUB = "GitHub is not configured"


class CoreHub:
    """Answer the doors.

    Args:
        world: ports, settings and hosts.
        root: the running tree.
    """

    def __init__(self, world: World, root: Root) -> None:
        self._world = world
        self._root = root

    @property
    def ledger(self) -> Ledger:
        """The ledger, for reading."""
        return self._world.ledger

    @property
    def github_state(self) -> GitHubState | None:
        """What is kept of GitHub, for reading; None where it is not configured."""
        return self._world.github_state

    def pool(self, labels: Iterable[str]) -> Pool:
        """Return the pool of jobs with these labels."""
        return pool_of(labels, self._world.settings.pools)

    async def delegate(self, spec: JobSpec) -> Accepted:
        """Accept a job durably and queue it. Cancelling it may still accept the job."""
        return await self._accept(spec, None)

    async def requeue(self, job_id: str) -> Accepted | None:
        """Make a new job of a dead letter; the same one again when it was made before."""
        job = await self._world.ledger.job(job_id)
        if job is None or not job.dead_letter:
            return None
        again = replace(job.spec, external_id=f"{job.spec.external_id}#retry-of-{job.id}")
        return await self._accept(again, job.id)

    async def _accept(self, spec: JobSpec, retry_of: str | None) -> Accepted:
        try:
            intake = self._root.registry.ref("intake")
            return await intake.ask(lambda r: AcceptJob(spec, retry_of, r), ACCEPT_SECONDS)
        except MailboxFull:
            raise Overloaded("too many jobs are being accepted just now") from None
        except (AskTimeout, ActorDied):
            # Whoever asks again with the same body meets the job that was accepted, if it was.
            raise Overloaded("the job could not be made durable in time; ask again", 2) from None

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job: at once where it waits, through its actor where it runs."""
        job = await self._world.ledger.request_cancel(job_id)
        if job is None or job.status is Status.COMPLETED:
            return job
        if job.phase is Phase.QUEUED:
            ended = await self._world.ledger.conclude_queued(job_id, CANCELLED)
            if ended is not None:
                self._world.logs_changed.notify(job_id)
                await self._forget(job_id)
                return job
        actor = self._root.registry.whereis(job_actor_name(job_id))
        if actor is not None:
            try:
                actor.tell(CancelJob(CANCELLED))
            except (MailboxFull, ActorDied):
                return job  # the request is in the ledger: whoever drives the job next finds it
        return job

    async def _forget(self, job_id: str) -> None:
        try:
            await self._world.queue.acknowledge([job_id])
        except QueueUnavailable:
            return  # a claim of it will find nothing to take

    def explain(self, job: Job) -> str:
        """Say in words why a job is where it is."""
        if job.explanation and job.phase in {Phase.REAPING, Phase.FINISHED}:
            return job.explanation
        match job.phase:
            case Phase.QUEUED:
                words = explain_waiting(class_of(job.spec), self._world.views())
                return f"{words} (before: {job.explanation})" if job.explanation else words
            case Phase.LEASED:
                return self._explain_images(job)
            case Phase.PROVISIONING:
                return f"its sandbox is being built on {job.host}"
            case _:
                host = self._world.hosts.get(job.host or "")
                note = host.unkept(job.spec.execution) if host else None
                return f"running on {job.host}; {note}" if note else f"running on {job.host}"

    def _explain_images(self, job: Job) -> str:
        host, asked = self._world.hosts.get(job.host or ""), job.spec.execution
        images = (asked.image, *(service.image for service in asked.services))
        pulling = [
            f"{image}{host.pulling[image]}" for image in images if host and image in host.pulling
        ]
        if pulling:
            return f"{job.host} is pulling {', '.join(pulling)}"
        return f"placed on {job.host}; its images are being made ready"

    def hosts(self) -> Sequence[HostStatus]:
        """Return every configured host."""
        return [_status(host) for host in self._world.hosts.values()]

    async def set_drained(self, host: str, *, drained: bool) -> bool:
        """Drain or undrain a host; durable, and known to every node within a lease's third."""
        state = self._world.hosts.get(host)
        if state is None:
            return False
        await self._world.ledger.set_drained(host, drained=drained)
        state.draining = drained
        self._world.work.notify()
        return True

    def sweep(self, host: str) -> None:
        """Ask a host's actor to look for orphans now."""
        actor = self._root.registry.whereis(host_actor_name(host))
        if actor is not None:
            actor.tell(Sweep())

    async def dependencies(self) -> Sequence[Dependency]:
        """Return the health of PostgreSQL, Redis, GitHub and each Docker host."""
        found = [await self._ledger_health(), await self._queue_health(), self._github_health()]
        for host in self._world.hosts.values():
            trouble = host.trouble
            found.append(Dependency(f"docker:{host.name}", trouble is None, trouble or "", False))  # noqa: FBT003
        return found

    def _github_health(self) -> Dependency:
        if self._world.github is None:
            return Dependency("github", ok=True, detail=NO_GITHUB, required=False)
        unknown = Dependency("github", ok=True, detail="not looked at yet", required=False)
        return self._world.github_health or unknown

    async def _ledger_health(self) -> Dependency:
        with trio.move_on_after(2.0):
            try:
                await self._world.ledger.queue_depths()
            except LedgerUnavailable as error:
                return Dependency("postgresql", ok=False, detail=str(error))
            return Dependency("postgresql", ok=True)
        return Dependency("postgresql", ok=False, detail="does not answer within 2 s")

    async def _queue_health(self) -> Dependency:
        with trio.move_on_after(2.0):
            try:
                await self._world.queue.ping()
            except QueueUnavailable as error:
                return Dependency("redis", ok=False, detail=str(error), required=False)
            return Dependency("redis", ok=True, required=False)
        return Dependency("redis", ok=False, detail="does not answer within 2 s", required=False)

    async def follow_log(self, job: Job, *, follow: bool) -> AsyncIterator[bytes]:
        """Yield the log of a job's present attempt; with `follow` until the job is completed."""
        seq, attempt = 0, job.attempt
        while True:
            ticket = self._world.logs_changed.ticket(job.id)
            latest = await self._world.ledger.job(job.id) if follow else job
            if latest is None:
                return
            if latest.attempt != attempt:
                yield f"\n[attempt {latest.attempt}: {latest.explanation or ''}]\n".encode()
                seq, attempt = 0, latest.attempt
            while chunks := await self._world.ledger.log_chunks(job.id, attempt, seq):
                for chunk in chunks:
                    seq = chunk.seq + 1
                    yield chunk.data
            if not follow or latest.status is Status.COMPLETED:
                self._world.logs_changed.notify(job.id)
                return
            await wait_at_most(ticket, LOG_TICK_SECONDS)

    def tree(self) -> TreeNode:
        """Return a picture of the running tree."""
        return _node(self._root.snapshot())


def _status(host: HostState) -> HostStatus:
    if host.lease is None:
        state = "not_ours"
    elif not host.reachable:
        state = "unreachable" if host.epoch or host.lost else "starting"
    else:
        state = "draining" if host.draining else "ready"
    view = host.view()
    return HostStatus(
        host.name,
        host.url,
        state,
        host.slots,
        view.free_slots,
        sorted(host.labels),
        host.trouble or "",
        host.info.version if host.info else "",
        sorted(host.held),
        _warnings(host),
    )


def _warnings(host: HostState) -> tuple[str, ...]:
    told = (*host.warnings, *host.troubles.values())
    note = host.info.no_disk_limit if host.info else None
    return (*told, note) if note else told


def _node(shot: ActorSnapshot) -> TreeNode:
    return TreeNode(
        shot.name,
        shot.kind,
        str(shot.phase),
        shot.depth,
        shot.handled,
        shot.restarts,
        tuple(_node(child) for child in shot.children),
    )
