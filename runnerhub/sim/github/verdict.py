"""What a run is, by what its jobs are."""

from collections.abc import Sequence

from runnerhub.sim.github.things import COMPLETED, IN_PROGRESS, QUEUED, WAITING, Job


def run_status(jobs: Sequence[Job]) -> str:
    """Return the status of a run with these jobs."""
    states = {job.status for job in jobs}
    if states <= {COMPLETED}:
        return COMPLETED
    if IN_PROGRESS in states or COMPLETED in states:
        return IN_PROGRESS
    return QUEUED if QUEUED in states else WAITING


def run_conclusion(jobs: Sequence[Job]) -> str | None:
    """Return the conclusion of a run with these jobs; None while one is not over."""
    if run_status(jobs) != COMPLETED:
        return None
    found = {job.conclusion for job in jobs}
    for worst in ("failure", "timed_out", "cancelled", "action_required"):
        if worst in found:
            return "failure" if worst == "timed_out" else worst
    return "skipped" if found == {"skipped"} else "success"
