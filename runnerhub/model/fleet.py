"""How many runners there should be, and which should go. Pure.

A workflow job and a runner are two state machines: a runner that was started for job A may take
job B. They are bound by the runner's name alone, once GitHub reports it. So demand is counted,
not assigned: as many free runners of a kind as jobs of that kind are queued.

A short job is over before GitHub has told who took it. So a runner that ended well, and of whose
job nothing is known yet, counts for a while as one that serves a job which still looks queued.

    workflow jobs:   queued ──────────────▶ in_progress (runner_name) ──▶ completed
    runners:         coming ─▶ running ─▶ bound ─────────────────────────▶ gone
                                  │          └─ its job is over, and it is not: retire
                                  ├─ nobody needs it for so long: retire
                                  └─ started, and GitHub never saw it online: retire

To retire is to deregister first: what was idle then gets no job any more, so its sandbox may go;
what turns out to be busy stays.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runnerhub.model.job import Job, Phase
from runnerhub.model.pool import Pool
from runnerhub.model.runner import IMPLIED, RunnerWish, runner_name, sandbox_of_runner
from runnerhub.model.webhook_job import COMPLETED, WorkflowJob

_GOING = frozenset({Phase.REAPING, Phase.FINISHED})


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a contradiction may last.

    Attributes:
        idle: that a runner which nobody needs stays.
        online: that a started runner may take until GitHub sees it.
        ending: that a runner may take to end once its job is completed.
        telling: that GitHub may take to tell which job a runner had that has ended.
    """

    idle: float = 60.0
    online: float = 180.0
    ending: float = 60.0
    telling: float = 10.0


@dataclass(frozen=True, slots=True)
class Listed:
    """What GitHub's list says of a runner."""

    name: str
    online: bool
    busy: bool


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that is known of workflow jobs and of runners.

    Attributes:
        cluster: our name.
        pools: those that start runners.
        queued: workflow jobs that wait, the oldest first.
        runners: our jobs that are, or are to become, runners.
        bound: workflow jobs that have, or had, one of them, by the runner's name.
        listed: what GitHub said of our runners when it was asked last, by name.
        ended: runners that ended well lately, of whose jobs nothing was known at first.
    """

    cluster: str
    pools: Sequence[Pool]
    queued: Sequence[WorkflowJob] = ()
    runners: Sequence[Job] = ()
    bound: Mapping[str, WorkflowJob] = field(default_factory=dict)
    listed: Mapping[str, Listed] = field(default_factory=dict)
    ended: Sequence[Job] = ()

    def job_of(self, runner: Job) -> WorkflowJob | None:
        """Return the workflow job that GitHub gave to a runner."""
        return self.bound.get(runner_name(self.cluster, runner.sandbox_id or ""))

    def free(self) -> list[Job]:
        """Return the runners that have no job yet: those that run before those that come."""
        free = [
            runner
            for runner in self.runners
            if runner.phase not in _GOING and self.job_of(runner) is None
        ]
        return sorted(free, key=lambda runner: runner.phase is not Phase.RUNNING)


def is_going(runner: Job) -> bool:
    """Tell whether a runner has ended, though its sandbox may be there yet."""
    return runner.phase in _GOING


@dataclass(frozen=True, slots=True)
class Start:
    """Start a runner, for which a workflow job is the reason."""

    pool: Pool
    wish: RunnerWish
    because: WorkflowJob


@dataclass(frozen=True, slots=True)
class Retire:
    """End a runner, unless it turns out to be busy."""

    runner: Job
    why: str


def pool_for(job: WorkflowJob, pools: Sequence[Pool]) -> Pool | None:
    """Return the pool whose runners may take a workflow job; of several, the most special one."""
    asked = frozenset(label.lower() for label in job.labels) - IMPLIED
    fitting = [
        pool
        for pool in pools
        if pool.scope is not None and asked <= pool.labels and _reaches(pool.scope, job)
    ]
    return min(fitting, key=lambda pool: len(pool.labels), default=None)


def wish_for(job: WorkflowJob, pool: Pool) -> RunnerWish:
    """Return the runner that a pool starts for a workflow job."""
    scope = f"/repos/{job.repository}" if pool.scope == "repository" else f"/{pool.scope}"
    return RunnerWish(scope, tuple(sorted(pool.labels | IMPLIED)), pool.runner_group, pool.name)


def to_start(fleet: Fleet, held_back: frozenset[str] = frozenset()) -> list[Start]:
    """Return the runners to start, for the jobs that have waited longest.

    Args:
        fleet: what is known.
        held_back: names of pools whose runners failed lately.
    """
    untold = [runner for runner in fleet.ended if fleet.job_of(runner) is None]
    free = Counter(runner.spec.execution.runner for runner in [*fleet.free(), *untold])
    room = {pool.name: pool.max_runners for pool in fleet.pools}
    for runner in fleet.runners:
        wish = runner.spec.execution.runner
        if wish is not None and wish.pool in room:
            room[wish.pool] -= 1
    starts = []
    for job in fleet.queued:
        pool = pool_for(job, fleet.pools)
        if pool is None:
            continue
        wanted = wish_for(job, pool)
        if free[wanted] > 0:
            free[wanted] -= 1
        elif room[pool.name] > 0 and pool.name not in held_back:
            room[pool.name] -= 1
            starts.append(Start(pool, wanted, job))
    return starts


def to_retire(fleet: Fleet, now: datetime, patience: Patience) -> list[Retire]:
    """Return the runners to end, and why. Those of scale sets are their listener's to end."""
    needed = Counter(
        wish_for(job, pool) for job in fleet.queued if (pool := pool_for(job, fleet.pools))
    )
    retired = [
        Retire(runner, "its job is completed, and it goes on")
        for runner in fleet.runners
        if runner.phase not in _GOING and _outlives(fleet.job_of(runner), now, patience)
    ]
    for runner in fleet.free():
        wish = runner.spec.execution.runner
        if wish is None or wish.scale_set is not None:
            continue
        age = _seconds_since_start(runner, now)
        if needed[wish] <= 0 and (age is None or age > patience.idle):
            retired.append(Retire(runner, "no job needs it"))
            continue
        needed[wish] -= 1
        listed = fleet.listed.get(runner_name(fleet.cluster, runner.sandbox_id or ""))
        if age is not None and age > patience.online and listed and not listed.online:
            retired.append(Retire(runner, "it never came online"))
    return retired


def ghosts(listed: Iterable[Listed], live: Iterable[Job], cluster: str) -> list[str]:
    """Return the names of runners of ours that no live attempt bears, whoever left them."""
    alive = {job.sandbox_id for job in live}
    return [
        each.name
        for each in listed
        if (sandbox := sandbox_of_runner(cluster, each.name)) and sandbox not in alive
    ]


def _outlives(job: WorkflowJob | None, now: datetime, patience: Patience) -> bool:
    if job is None or job.status != COMPLETED:
        return False
    ended = job.completed_at or job.heard_at
    return ended is not None and (now - ended).total_seconds() > patience.ending


def _seconds_since_start(runner: Job, now: datetime) -> float | None:
    started = runner.timestamps.get("started")
    return None if started is None else (now - started).total_seconds()


def _reaches(scope: str, job: WorkflowJob) -> bool:
    """Tell whether runners of a scope take jobs of a repository."""
    kind, _, name = scope.partition("/")
    owner = job.repository.partition("/")[0]
    return kind != "orgs" or name.lower() == owner.lower()
