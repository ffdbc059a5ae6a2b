"""What a message of the scale-set service says of a job."""

from typing import Any

from runnerhub.sim.github.clock import iso_fine
from runnerhub.sim.github.things import Job

_NEVER = "0001-01-01T00:00:00Z"
_RESULTS = {"success": "succeeded", "failure": "failed", "cancelled": "canceled"}


def available(job: Job, acquire_url: str) -> dict[str, Any]:
    """Say that a job may be acquired."""
    return _base("JobAvailable", job) | {"acquireJobUrl": acquire_url}


def assigned(job: Job) -> dict[str, Any]:
    """Say that a job is the scale set's."""
    return _base("JobAssigned", job)


def started(job: Job) -> dict[str, Any]:
    """Say that a runner has taken a job."""
    return _base("JobStarted", job) | _runner(job)


def completed(job: Job) -> dict[str, Any]:
    """Say that a job is over."""
    result = _RESULTS.get(job.conclusion or "", job.conclusion)
    return _base("JobCompleted", job) | _runner(job) | {"result": result}


def _runner(job: Job) -> dict[str, Any]:
    return {"runnerId": job.runner_id or 0, "runnerName": job.runner_name or ""}


def _base(kind: str, job: Job) -> dict[str, Any]:
    run = job.run
    repository = run.repository
    return {
        "messageType": kind,
        "runnerRequestId": job.id,
        "repositoryName": repository.name,
        "ownerName": repository.owner.login,
        "jobId": str(job.id),
        "jobWorkflowRef": f"{repository.full_name}/{run.workflow.path}@refs/heads/{run.branch}",
        "jobDisplayName": job.name,
        "workflowRunId": run.id,
        "eventName": run.event,
        "requestLabels": list(job.labels),
        "queueTime": _at(job.queued_at or job.created_at),
        "scaleSetAssignTime": _at(job.acquired_at),
        "runnerAssignTime": _at(job.started_at),
        "finishTime": _at(job.completed_at),
    }


def _at(when: float | None) -> str:
    return _NEVER if when is None else iso_fine(when)
