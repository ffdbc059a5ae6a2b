"""What the scale-set service says of jobs: reading its messages, and what a later word changes.

    available ─▶ acquired ─▶ assigned ─▶ started ─▶ completed
        └─▶ passed: it went to somebody else, until it is offered again

Messages may come late, twice, or again after a crash, so a job only moves forward. The service
numbers its requests itself: GitHub's own id of the job is known only where `jobId` is a number.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from runnerhub.model import webhook_job
from runnerhub.model.scale_set import Statistics, read_statistics
from runnerhub.model.webhook_job import WorkflowJob, moment, text, whole


class RequestState(StrEnum):
    """How far the request for a runner has come."""

    AVAILABLE = "available"
    PASSED = "passed"
    ACQUIRED = "acquired"
    ASSIGNED = "assigned"
    STARTED = "started"
    COMPLETED = "completed"


_RANKS = {state: max(0, rank - 1) for rank, state in enumerate(RequestState)}
_STATES = {
    "JobAvailable": (RequestState.AVAILABLE, webhook_job.QUEUED),
    "JobAssigned": (RequestState.ASSIGNED, webhook_job.QUEUED),
    "JobStarted": (RequestState.STARTED, webhook_job.IN_PROGRESS),
    "JobCompleted": (RequestState.COMPLETED, webhook_job.COMPLETED),
}
_CONCLUSIONS = {"succeeded": "success", "failed": "failure", "canceled": "cancelled"}
_TIMES = ("queueTime", "scaleSetAssignTime", "runnerAssignTime", "finishTime")
_FIRST_YEAR = 1970  # the service's word for never is the year 1


@dataclass(frozen=True, slots=True)
class ScaleSetJob:
    """A job that a scale set was told of.

    Attributes:
        request_id: the service's number for it.
        job_id: GitHub's id of the workflow job, where the service tells it.
        job: the same in the words of a webhook; its id is the request's where GitHub's is unknown.
    """

    request_id: int
    state: RequestState
    job: WorkflowJob
    job_id: int | None = None

    @property
    def rank(self) -> int:
        """How far it has come."""
        return _RANKS[self.state]


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the queue.

    Attributes:
        unreadable: how many of its parts say nothing that we know.
        newest_at: when the latest thing happened that it tells of.
    """

    id: int
    jobs: Sequence[ScaleSetJob] = ()
    statistics: Statistics | None = None
    unreadable: int = 0
    newest_at: datetime | None = None


def read_message(raw: object) -> Message | None:
    """Read a message; None when it cannot even be acknowledged. Unknown parts are left out."""
    if not isinstance(raw, Mapping):
        return None
    number = whole(raw.get("messageId"))
    if number is None:
        return None
    parts = _parts(raw.get("body"))
    read = [_read_job(part) for part in parts or ()]
    jobs = [job for job in read if job is not None]
    unreadable = 1 if parts is None else len(read) - len(jobs)
    newest = max(filter(None, map(_newest, parts or ())), default=None)
    return Message(number, jobs, read_statistics(raw.get("statistics")), unreadable, newest)


def merge(known: ScaleSetJob, told: ScaleSetJob) -> ScaleSetJob:
    """Return what is known of a job after it was told of again."""
    further = told if told.rank > known.rank or told.rank == known.rank == 0 else known
    return replace(
        further,
        job=webhook_job.merge(known.job, told.job),
        job_id=known.job_id or told.job_id,
    )


def _parts(body: object) -> list[Any] | None:
    if isinstance(body, str):
        try:
            body = json.loads(body) if body else []
        except ValueError:
            return None
    return body if isinstance(body, list) else None


def _read_job(raw: object) -> ScaleSetJob | None:
    if not isinstance(raw, Mapping):
        return None
    found = _STATES.get(str(raw.get("messageType")))
    number = whole(raw.get("runnerRequestId"))
    owner, name = text(raw.get("ownerName")), text(raw.get("repositoryName"))
    if found is None or number is None or owner is None or name is None:
        return None
    state, status = found
    job_id = _github_id(raw.get("jobId"))
    result = text(raw.get("result")) or "unknown"
    labels = raw.get("requestLabels")
    job = WorkflowJob(
        job_id or number,
        f"{owner}/{name}",
        status,
        tuple(
            label
            for each in (labels[: webhook_job.MOST_LABELS] if isinstance(labels, list) else ())
            if (label := text(each)) is not None
        ),
        _CONCLUSIONS.get(result.lower(), result) if state is RequestState.COMPLETED else None,
        run_id=whole(raw.get("workflowRunId")),
        name=text(raw.get("jobDisplayName")),
        runner_id=whole(raw.get("runnerId")),
        runner_name=text(raw.get("runnerName")),
        created_at=_when(raw.get("queueTime")),
        started_at=_when(raw.get("runnerAssignTime")),
        completed_at=_when(raw.get("finishTime")),
    )
    return ScaleSetJob(number, state, job, job_id)


def _newest(raw: object) -> datetime | None:
    if not isinstance(raw, Mapping):
        return None
    return max(filter(None, (_when(raw.get(name)) for name in _TIMES)), default=None)


def _github_id(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:  # noqa: PLR2004
        value = int(value)
    return whole(value)


def _when(value: object) -> datetime | None:
    found = moment(value)
    return found if found is not None and found.year >= _FIRST_YEAR else None
