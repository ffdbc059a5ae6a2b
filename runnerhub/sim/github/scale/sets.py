"""Scale sets: which jobs are theirs, who listens, and what the listener is told.

A job belongs to the scale set whose labels cover its own. It is *available* until the listener
acquires it, then *assigned*; the runners of the scale set take assigned jobs only. A message stays
until it is deleted, whoever has read it, so a new session meets what an old one left.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from runnerhub.sim.github.clock import Bell
from runnerhub.sim.github.core import Core
from runnerhub.sim.github.fleet import Fleet
from runnerhub.sim.github.places import Places
from runnerhub.sim.github.refusals import Refusal
from runnerhub.sim.github.scale import messages
from runnerhub.sim.github.things import (
    COMPLETED,
    IN_PROGRESS,
    QUEUED,
    Group,
    Job,
    Run,
    Runner,
    Scope,
)
from runnerhub.sim.github.work import Work

MOST_IN_A_MESSAGE = 50
OFFER_SECONDS = 60.0  # a job that was offered and not acquired is offered again
REDELIVER_SECONDS = 30.0  # a message that was read and not deleted comes again


@dataclass(slots=True, eq=False)
class Message:
    """A message. `read_at` is when it was last handed out."""

    id: int
    jobs: list[dict[str, Any]]
    read_at: float | None = None


@dataclass(slots=True, eq=False)
class Session:
    """Who listens. It lapses when nobody polls."""

    id: str
    owner: str
    seen_at: float
    polling: int = 0


@dataclass(slots=True, eq=False)
class ScaleSet:
    """A scale set. `news` is what no message says yet."""

    id: int
    name: str
    scope: Scope
    group: Group
    labels: list[dict[str, str]]
    setting: dict[str, Any]
    created_at: float
    session: Session | None = None
    messages: dict[int, Message] = field(default_factory=dict)
    news: deque[dict[str, Any]] = field(default_factory=deque)
    last_message_id: int = 0
    bell: Bell = field(default_factory=Bell)

    def wants(self, job: Job) -> bool:
        """Say whether a job is for it."""
        names = {label["name"].lower() for label in self.labels}
        return self.scope.serves(job.run.repository) and all(
            label.lower() in names for label in job.labels
        )


class ScaleSets:
    """All scale sets.

    Attributes:
        session_seconds: how long a session lasts after its last sign of life.
        poll_seconds: how long a poll waits for a message.
        bom: whether bodies begin with a byte order mark.
    """

    def __init__(self, core: Core, places: Places, fleet: Fleet, work: Work) -> None:
        self._core = core
        self._places = places
        self._fleet = fleet
        self._work = work
        self.sets: dict[int, ScaleSet] = {}
        self.session_seconds = 120.0
        self.bom = False
        self.poll_seconds = 50.0

    # ------------------------------------------------------------------ scale sets

    def add(
        self,
        scope: Scope,
        name: str,
        group_id: int,
        labels: list[dict[str, str]],
        setting: dict[str, Any],
    ) -> ScaleSet:
        """Make a scale set; jobs that wait for its labels are routed to it.

        Raises:
            Refusal: 409, the name is taken; 400, there is no such group.
        """
        if not name:
            raise Refusal(400, "A name is needed", kind="ArgumentException")
        if any(each.name == name for each in self.of(scope)):
            raise Refusal(
                409,
                f"Runner scale set {name} already exists.",
                kind="RunnerScaleSetExistsException",
            )
        made = ScaleSet(
            self._core.next_id("scale set"), name, scope, self._group(scope, group_id),
            labels or [{"type": "System", "name": name}], setting, self._core.now(),
        )  # fmt: skip
        self.sets[made.id] = made
        for job in self._work.queued():
            if job.scale_set_id is None and made.wants(job):
                job.scale_set_id = made.id
        return made

    def change(self, scale_set: ScaleSet, body: dict[str, Any]) -> None:
        """Change what a body names.

        Raises:
            Refusal: 400, there is no such group.
        """
        scale_set.name = body.get("name") or scale_set.name
        scale_set.labels = body.get("labels") or scale_set.labels
        scale_set.setting = body.get("RunnerSetting") or scale_set.setting
        if body.get("runnerGroupId"):
            scale_set.group = self._group(scale_set.scope, int(body["runnerGroupId"]))

    def remove(self, scale_set: ScaleSet) -> None:
        """Remove a scale set; its queued jobs wait for other takers."""
        del self.sets[scale_set.id]
        for job in self._work.queued():
            if job.scale_set_id == scale_set.id:
                job.scale_set_id = job.offered_at = job.acquired_at = None
        for runner in self._fleet:
            if runner.scale_set_id == scale_set.id and not runner.busy:
                self._fleet.drop(runner, "deleted")
        scale_set.bell.ring()

    def of(self, scope: Scope) -> list[ScaleSet]:
        """Return the scale sets of a scope."""
        return [each for each in self.sets.values() if each.scope == scope]

    def get(self, scope: Scope, number: int) -> ScaleSet:
        """Return a scale set of a scope.

        Raises:
            Refusal: 404.
        """
        found = self.sets.get(number)
        if found is None or found.scope != scope:
            raise Refusal(
                404,
                f"No runner scale set found with identifier {number}.",
                kind="RunnerScaleSetNotFoundException",
            )
        return found

    def runners(self, scale_set: ScaleSet) -> list[Runner]:
        """Return the runners of a scale set."""
        return [each for each in self._fleet if each.scale_set_id == scale_set.id]

    def statistics(self, scale_set: ScaleSet) -> dict[str, int]:
        """Return the figures that a listener scales on. Assigned jobs count running ones too."""
        jobs = self._jobs(scale_set)
        assigned = [job for job in jobs if job.acquired_at is not None]
        running = [job for job in assigned if job.status == IN_PROGRESS]
        runners = self.runners(scale_set)
        busy = sum(each.busy for each in runners)
        idle = sum(not each.busy and self._fleet.online(each) for each in runners)
        return {
            "totalAvailableJobs": len(jobs) - len(assigned),
            "totalAcquiredJobs": len(assigned) - len(running),
            "totalAssignedJobs": len(assigned),
            "totalRunningJobs": len(running),
            "totalRegisteredRunners": len(runners),
            "totalBusyRunners": busy,
            "totalIdleRunners": idle,
        }

    # ------------------------------------------------------------------ sessions

    def open(self, scale_set: ScaleSet, owner: str) -> Session:
        """Open a session. What an old one left unacknowledged comes again, offers too.

        Raises:
            Refusal: 409, somebody else's is alive.
        """
        if self.session(scale_set) is not None:
            raise Refusal(
                409,
                f"The runner scale set {scale_set.name} already has an active session for owner"
                f" {scale_set.session and scale_set.session.owner}.",
                kind="RunnerScaleSetSessionConflictException",
            )
        scale_set.session = Session(self._core.uuid(), owner, self._core.now())
        for job in self._jobs(scale_set):
            job.offered_at = None
        for message in scale_set.messages.values():
            message.read_at = None
        return scale_set.session

    def session(self, scale_set: ScaleSet, number: str | None = None) -> Session | None:
        """Return the session that is alive; None when there is none, or not of this id."""
        found = scale_set.session
        if found is None or (number is not None and found.id != number):
            return None
        if not found.polling and self._core.now() - found.seen_at >= self.session_seconds:
            scale_set.session = None
            return None
        return found

    def close(self, scale_set: ScaleSet) -> None:
        """End the session, if there is one."""
        scale_set.session = None
        scale_set.bell.ring()

    # ------------------------------------------------------------------ messages

    def next_message(self, scale_set: ScaleSet, last: int, capacity: int | None) -> Message | None:
        """Return the message to hand out now: the first after `last`, or one that is overdue."""
        self._offer(scale_set, capacity)
        while scale_set.news:
            scale_set.last_message_id += 1
            size = min(MOST_IN_A_MESSAGE, len(scale_set.news))
            jobs = [scale_set.news.popleft() for _ in range(size)]
            made = Message(scale_set.last_message_id, jobs)
            scale_set.messages[made.id] = made
        now = self._core.now()
        for message in scale_set.messages.values():
            overdue = message.read_at is not None and now - message.read_at >= REDELIVER_SECONDS
            if overdue or message.id > last:
                message.read_at = now
                return message
        return None

    def next_look(self, scale_set: ScaleSet) -> float:
        """Return when `next_message` may answer something else although nothing happens."""
        reads = [m.read_at + REDELIVER_SECONDS for m in scale_set.messages.values() if m.read_at]
        offers = [
            job.offered_at + OFFER_SECONDS
            for job in self._jobs(scale_set)
            if job.offered_at is not None and job.acquired_at is None
        ]
        # An offer that is due and was not repeated has no room: time alone changes nothing for it.
        now = self._core.now()
        return min((at for at in [*reads, *offers] if at > now), default=float("inf"))

    def acquire(self, scale_set: ScaleSet, numbers: list[int]) -> list[int]:
        """Assign available jobs to their scale set; return which could be."""
        done = []
        for number in numbers:
            job = self._work.jobs.get(number)
            if job is None or job.scale_set_id != scale_set.id or job.status != QUEUED:
                continue
            if job.acquired_at is None:
                job.acquired_at = self._core.now()
                self._news(scale_set, messages.assigned(job))
                self._work.wake(job)
            done.append(number)
        return done

    def _offer(self, scale_set: ScaleSet, capacity: int | None) -> None:
        now = self._core.now()
        jobs = self._jobs(scale_set)
        assigned = sum(job.acquired_at is not None for job in jobs)
        room = len(jobs) if capacity is None else max(0, capacity - assigned)
        for job in jobs:
            if job.acquired_at is not None or room == 0:
                continue
            room -= 1
            if job.offered_at is None or now - job.offered_at >= OFFER_SECONDS:
                job.offered_at = now
                scale_set.news.append(messages.available(job, self._acquire_url(scale_set)))

    def _acquire_url(self, scale_set: ScaleSet) -> str:
        return f"{self._core.url}/_apis/runtime/runnerscalesets/{scale_set.id}/acquirejobs"

    # ------------------------------------------------------------------ what happens to jobs

    def run_changed(self, run: Run, action: str) -> None:
        """Hear of a run, which is nothing to a scale set."""

    def job_changed(self, job: Job, action: str) -> None:
        """Hear of a job."""
        if action == QUEUED and job.status == QUEUED and job.scale_set_id is None:
            wanting = next((each for each in self.sets.values() if each.wants(job)), None)
            job.scale_set_id = wanting.id if wanting else None
        scale_set = self.sets.get(job.scale_set_id or 0)
        if scale_set is None:
            return
        if action == IN_PROGRESS:
            self._news(scale_set, messages.started(job))
        elif action == COMPLETED and job.acquired_at is not None:
            self._news(scale_set, messages.completed(job))
        scale_set.bell.ring()

    def _news(self, scale_set: ScaleSet, message: dict[str, Any]) -> None:
        scale_set.news.append(message)
        scale_set.bell.ring()

    def _jobs(self, scale_set: ScaleSet) -> list[Job]:
        return self._work.open_of(scale_set.id)

    def _group(self, scope: Scope, number: int) -> Group:
        group = self._places.groups(scope).get(number)
        if group is None:
            raise Refusal(400, f"No runner group {number}.", kind="RunnerGroupNotFoundException")
        return group
