"""Runs and jobs: queued, taken by a runner, in progress, and completed.

    waiting ─approve─▶ queued ─take─▶ in_progress ─finish─▶ completed
       └─────cancel──────┴────────────────┴───(lost runner, 24 h)──▲

A job and a runner find each other by labels alone, whoever registered the runner for whatever job.
"""

from collections.abc import Iterable
from typing import Protocol

from runnerhub.sim.github.core import Core
from runnerhub.sim.github.fleet import Fleet
from runnerhub.sim.github.orders import JobOrder, RunOrder, WorkflowOrder
from runnerhub.sim.github.places import Places
from runnerhub.sim.github.refusals import Refusal, not_found
from runnerhub.sim.github.things import (
    COMPLETED,
    IN_PROGRESS,
    QUEUED,
    WAITING,
    Job,
    Repository,
    Run,
    Runner,
    Step,
    Workflow,
)
from runnerhub.sim.github.verdict import run_conclusion, run_status

QUEUE_SECONDS = 24 * 3600.0
LOCK_SECONDS = 600.0  # a runner that does not renew its job for so long is lost
CANCEL_SECONDS = 300.0  # and so long it has to end a cancelled one


class Listener(Protocol):
    """Hears what becomes of runs and jobs. `action` is that of the webhook."""

    def run_changed(self, run: Run, action: str) -> None:
        """Hear of a run."""

    def job_changed(self, job: Job, action: str) -> None:
        """Hear of a job."""


class Work:
    """All runs and jobs.

    Attributes:
        listeners: told of every change, in order.
    """

    def __init__(self, core: Core, places: Places, fleet: Fleet) -> None:
        self._core = core
        self._places = places
        self._fleet = fleet
        self._workflows: dict[tuple[int, str], Workflow] = {}
        self._queued: dict[int, Job] = {}
        self._open: dict[int, Job] = {}
        self.runs: dict[int, Run] = {}
        self.jobs: dict[int, Job] = {}
        self.listeners: list[Listener] = []

    # ------------------------------------------------------------------ queueing

    def queue(self, order: RunOrder) -> list[Run]:
        """Make runs with their jobs.

        Raises:
            Refusal: 404, there is no such repository.
        """
        owner, _, name = order.repository.partition("/")
        repository = self._places.repository(owner, name)
        workflow = self._workflow(repository, order.workflow)
        return [self._queue_one(workflow, order) for _ in range(order.count)]

    def workflows(self, repository: Repository) -> list[Workflow]:
        """Return the workflows of a repository."""
        return [each for (number, _), each in self._workflows.items() if number == repository.id]

    def approve(self, job: Job) -> None:
        """Open the deployment gate of a job.

        Raises:
            Refusal: 422, it does not wait at one.
        """
        if job.status != WAITING:
            raise Refusal(422, f"Job {job.id} is not waiting")
        self._enqueue(job)

    def rerun(self, run: Run, jobs: Iterable[Job]) -> None:
        """Run jobs of a run again, as a new attempt.

        Raises:
            Refusal: 403, the run is not over.
        """
        again = list(jobs)
        if run.status != COMPLETED or not again:
            raise Refusal(403, "The workflow run cannot be rerun: it is still running.")
        now = self._core.now()
        run.attempt += 1
        run.status, run.conclusion, run.started_at, run.updated_at = QUEUED, None, now, now
        orders = [JobOrder(name=job.name, labels=list(job.labels)) for job in again]
        kept = [job for job in run.jobs if job not in again]
        run.jobs = kept + [self._new_job(run, order) for order in orders]
        self._tell_run(run, "requested")
        for job in run.jobs[len(kept) :]:
            self._enqueue(job)

    def queued(self) -> list[Job]:
        """Return the queued jobs, the oldest first."""
        return list(self._queued.values())

    def open_of(self, scale_set_id: int) -> list[Job]:
        """Return the jobs of a scale set that are queued or in progress, the oldest first."""
        return [job for job in self._open.values() if job.scale_set_id == scale_set_id]

    def _workflow(self, repository: Repository, order: WorkflowOrder) -> Workflow:
        key = (repository.id, order.path)
        found = self._workflows.get(key)
        if found is None:
            number = self._core.next_id("workflow")
            found = Workflow(number, repository, order.name, order.path, self._core.now())
            self._workflows[key] = found
        found.name = order.name
        return found

    def _queue_one(self, workflow: Workflow, order: RunOrder) -> Run:
        now = self._core.now()
        number = self._core.next_id("run")
        branch = order.branch or workflow.repository.default_branch
        count = self._core.next_id(f"run of workflow {workflow.id}")
        sha, text = self._core.hex(40), order.workflow.text
        run = Run(number, count, workflow, order.event, branch, sha, now, now, now, text)
        run.jobs = [self._new_job(run, each) for each in order.job_orders()]
        self.runs[number] = run
        self._tell_run(run, "requested")
        for job in list(run.jobs):
            if job.gate is None:
                self._enqueue(job)
            else:
                job.status = WAITING
                self._tell(job, job.gate)
        return run

    def _new_job(self, run: Run, order: JobOrder) -> Job:
        number = self._core.next_id("job")
        job = Job(number, run, order.name, tuple(order.labels), self._core.now(), gate=order.gate)
        self.jobs[number] = job
        return job

    def _enqueue(self, job: Job) -> None:
        now = self._core.now()
        job.status, job.queued_at = QUEUED, now
        self._queued[job.id] = self._open[job.id] = job
        self._core.agenda.at(now + QUEUE_SECONDS, lambda: self._give_up(job))
        self._tell(job, QUEUED)
        self.wake(job)

    def _give_up(self, job: Job) -> None:
        if job.status == QUEUED:
            self._complete(job, "failure")

    # ------------------------------------------------------------------ running

    def wake(self, job: Job) -> None:
        """Wake the idle runners that may take a job."""
        for runner in self._fleet:
            if runner.polling and not runner.busy and _fits(job, runner):
                runner.bell.ring()

    def take(self, runner: Runner) -> Job | None:
        """Give a runner a job, the oldest that fits it, and return it; None when there is none."""
        if runner.job is not None:
            return None
        fitting = [job for job in self._queued.values() if _fits(job, runner)]
        if not fitting:
            return None
        faults = self._core.faults
        crosswise = faults.strikes("crosswise", faults.plan.runners.crosswise, runner.name)
        job = fitting[int(faults.share("which", runner.name) * len(fitting)) if crosswise else 0]
        del self._queued[job.id]
        now = self._core.now()
        runner.job = job
        job.status, job.started_at = IN_PROGRESS, now
        job.runner_id, job.runner_name = runner.id, runner.name
        job.runner_group_id, job.runner_group_name = runner.group.id, runner.group.name
        job.takers.append(runner.name)
        self.renew(job)
        self._watch_lock(job, runner)
        self._tell(job, IN_PROGRESS)
        return job

    def renew(self, job: Job) -> None:
        """Hold the lock of a job for another while."""
        job.lock_until = self._core.now() + LOCK_SECONDS

    def step(self, job: Job, step: Step) -> None:
        """Note what a step is about; the same number replaces it."""
        others = [each for each in job.steps if each.number != step.number]
        job.steps = sorted([*others, step], key=lambda each: each.number)
        self.renew(job)

    def finish(self, job: Job, conclusion: str) -> None:
        """Let a job be over, as its runner says.

        Raises:
            Refusal: 409, it is over already.
        """
        if job.status != IN_PROGRESS:
            raise Refusal(409, f"Job {job.id} is {job.status}")
        self._complete(job, conclusion)

    def _watch_lock(self, job: Job, runner: Runner) -> None:
        def look() -> None:
            if job.status != IN_PROGRESS:
                return
            if self._core.now() < job.lock_until:
                self._core.agenda.at(job.lock_until, look)
                return
            job.log.append("The self-hosted runner lost communication with the server.")
            self._fleet.disconnect(runner)
            self._complete(job, "failure")

        self._core.agenda.at(job.lock_until, look)

    # ------------------------------------------------------------------ ending

    def cancel(self, run: Run, *, force: bool = False) -> None:
        """Cancel the jobs of a run that are not over.

        Raises:
            Refusal: 409, all are.
        """
        if run.status == COMPLETED:
            raise Refusal(409, "Cannot cancel a workflow run that is completed.")
        for job in list(run.jobs):
            self.cancel_job(job, force=force)

    def cancel_job(self, job: Job, *, force: bool = False) -> None:
        """Cancel a job: at once while nobody runs it, else as soon as its runner has ended it."""
        if job.status == COMPLETED:
            return
        if job.status != IN_PROGRESS or force:
            self._complete(job, "cancelled")
            return
        if job.cancel_requested_at is None:
            now = self._core.now()
            job.cancel_requested_at = now
            self._core.agenda.at(now + CANCEL_SECONDS, lambda: self._force(job))
            for runner in self._fleet:
                if runner.job is job:
                    runner.bell.ring()

    def _force(self, job: Job) -> None:
        if job.status != COMPLETED:
            self._complete(job, "cancelled")

    def _complete(self, job: Job, conclusion: str) -> None:
        self._queued.pop(job.id, None)
        self._open.pop(job.id, None)
        job.status, job.conclusion, job.completed_at = COMPLETED, conclusion, self._core.now()
        for step in job.steps:
            if step.status != COMPLETED:
                step.status, step.conclusion = COMPLETED, "cancelled"
                step.completed_at = job.completed_at
        self._tell(job, COMPLETED)
        for runner in self._fleet:
            if runner.job is job:
                self._free(runner)

    def _free(self, runner: Runner) -> None:
        runner.job = None
        runner.bell.ring()
        faults = self._core.faults
        if not runner.ephemeral:
            return
        if faults.strikes("ghost", faults.plan.runners.ghost, runner.name):
            self._fleet.disconnect(runner)
        else:
            self._fleet.drop(runner, "done")

    def job(self, number: int) -> Job:
        """Return a job.

        Raises:
            Refusal: 404.
        """
        found = self.jobs.get(number)
        if found is None:
            raise not_found()
        return found

    # ------------------------------------------------------------------ telling

    def _tell(self, job: Job, action: str) -> None:
        for listener in self.listeners:
            listener.job_changed(job, action)
        run = job.run
        before = run.status
        run.status, run.conclusion = run_status(run.jobs), run_conclusion(run.jobs)
        run.updated_at = self._core.now()
        if run.status != before and run.status in (IN_PROGRESS, COMPLETED):
            self._tell_run(run, run.status)

    def _tell_run(self, run: Run, action: str) -> None:
        for listener in self.listeners:
            listener.run_changed(run, action)


def _fits(job: Job, runner: Runner) -> bool:
    if job.scale_set_id is not None:
        return runner.scale_set_id == job.scale_set_id and job.acquired_at is not None
    if runner.scale_set_id is not None or not runner.scope.serves(job.run.repository):
        return False
    has = {label.lower() for label in runner.labels}
    return all(label.lower() in has for label in job.labels)
