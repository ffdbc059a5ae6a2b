"""How many runners a scale set should have, and which of them should go. Pure.

    wanted = min(most, assigned + least)        assigned: by GitHub's statistics, running ones too

A runner counts until its job is over. Which of those that count is idle is seen by the job that
GitHub reports under its name; a runner that took one meanwhile refuses to be deregistered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from runnerhub.model.fleet import Fleet, Patience, Retire
from runnerhub.model.job import Job, Phase
from runnerhub.model.webhook_job import COMPLETED

_GOING = frozenset({Phase.REAPING, Phase.FINISHED})


@dataclass(frozen=True, slots=True)
class Statistics:
    """What GitHub counts of a scale set. Assigned jobs are those acquired or running."""

    available_jobs: int = 0
    acquired_jobs: int = 0
    assigned_jobs: int = 0
    running_jobs: int = 0
    registered_runners: int = 0
    busy_runners: int = 0
    idle_runners: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many runners there may be.

    Attributes:
        least: kept beyond those that have a job.
        most: at most.
    """

    least: int = 0
    most: int = 100


@dataclass(frozen=True, slots=True)
class Room:
    """What a host has for runners of a scale set.

    Attributes:
        free: slots that nobody holds.
        ours: slots that its runners hold.
    """

    free: int
    ours: int = 0


def read_statistics(raw: object) -> Statistics | None:
    """Read statistics; None when there are none. What is missing counts as 0."""
    if not isinstance(raw, Mapping):
        return None
    given = {str(name).lower(): value for name, value in raw.items()}
    counts = {
        each.name: value
        for each in fields(Statistics)
        if isinstance(value := given.get("total" + each.name.replace("_", "")), int) and value > 0
    }
    return Statistics(**counts)


def desired(statistics: Statistics, bounds: Bounds) -> int:
    """Return how many runners there should be."""
    return min(bounds.most, statistics.assigned_jobs + bounds.least)


def capacity(rooms: Sequence[Room], bounds: Bounds) -> int:
    """Return how many jobs can be taken in all, those included that run."""
    return min(bounds.most, sum(max(0, room.free) + room.ours for room in rooms))


def live(fleet: Fleet) -> list[Job]:
    """Return the runners that count: those that have, or may yet get, a job."""
    return [
        runner
        for runner in fleet.runners
        if runner.phase not in _GOING
        and ((job := fleet.job_of(runner)) is None or job.status != COMPLETED)
    ]


def to_retire(
    fleet: Fleet, wanted: int, waiting_for: float, now: datetime, patience: Patience
) -> list[Retire]:
    """Return the runners to end, and why.

    Args:
        fleet: the runners of one scale set.
        wanted: how many there should be.
        waiting_for: seconds that jobs have waited for a runner without a break.
        now: by the ledger's clock.
        patience: how long a contradiction may last.
    """
    retired = [
        Retire(runner, "its job is completed, and it goes on")
        for runner in fleet.runners
        if runner.phase not in _GOING
        and (job := fleet.job_of(runner)) is not None
        and job.status == COMPLETED
        and (ended := job.completed_at or job.heard_at) is not None
        and (now - ended).total_seconds() > patience.ending
    ]
    ages = {runner.id: _age(runner, now) for runner in fleet.free()}
    stuck = [
        runner
        for runner in fleet.free()
        if waiting_for > patience.online and (ages[runner.id] or 0.0) > patience.online
    ]
    retired += [Retire(runner, "jobs wait, and it takes none") for runner in stuck]
    surplus = max(0, len(live(fleet)) - len(stuck) - wanted)
    idle = [
        runner
        for runner in reversed(fleet.free())  # those that have not started go first
        if runner not in stuck and ((age := ages[runner.id]) is None or age > patience.idle)
    ]
    return retired + [Retire(runner, "no job needs it") for runner in idle[:surplus]]


def _age(runner: Job, now: datetime) -> float | None:
    started = runner.timestamps.get("started")
    return None if started is None else (now - started).total_seconds()
