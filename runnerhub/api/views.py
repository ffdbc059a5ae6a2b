"""What the API answers: jobs, hosts and the tree as JSON."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # before Python 3.12 pydantic takes no other

from runnerhub.model.job import Conclusion, Job, JobEvent, Phase, Reason, Status
from runnerhub.ports.deliveries import DeliveryState, KeptDelivery
from runnerhub.ports.hub import Dependency, HostStatus, Hub, TreeNode

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Timestamps(TypedDict):
    """When the present attempt reached each step; null until it has."""

    accepted: Moment | None
    claimed: Moment | None
    placed: Moment | None
    image_ready: Moment | None
    created: Moment | None
    started: Moment | None
    exited: Moment | None
    reaped: Moment | None


class JobView(TypedDict):
    """Where a job stands."""

    id: str
    status: Status
    conclusion: Conclusion | None
    reason: Reason | None
    phase: Phase
    explanation: str
    exit_code: int | None
    host: str | None
    attempt: int
    timestamps: Timestamps
    external_id: str
    repository: str
    job_name: str | None
    retry_of: str | None
    dead_letter: bool
    cancel_requested: bool


class JobListView(TypedDict):
    """Jobs, newest first; `next_cursor` is null on the last page."""

    jobs: list[JobView]
    next_cursor: str | None


class EventView(TypedDict):
    """A line of a job's history."""

    seq: int
    at: Moment
    kind: str
    attempt: int
    data: dict[str, Any]


class HistoryView(TypedDict):
    """A job's history."""

    events: list[EventView]


class HostListView(TypedDict):
    """The Docker hosts."""

    hosts: list[HostStatus]


class DeliveryView(TypedDict):
    """A webhook delivery that was taken, by GitHub's id of it."""

    delivery: str


class KeptDeliveryView(TypedDict):
    """A webhook delivery as it is kept; `id` is ours, `delivery` GitHub's."""

    id: str
    delivery: str
    event: str
    action: str | None
    repository: str | None
    state: DeliveryState
    attempts: int
    error: str | None
    received_at: Moment
    due_at: Moment
    ended_at: Moment | None
    requeued_at: Moment | None
    requeued_by: str | None


class DeliveryListView(TypedDict):
    """Deliveries, newest first; `configured` tells whether webhooks are."""

    deliveries: list[KeptDeliveryView]
    next_cursor: str | None
    configured: bool


class AliveView(TypedDict):
    """The process lives."""

    status: str


class ReadyView(TypedDict):
    """Whether jobs can be accepted; `dependencies` is there for whoever may read."""

    status: str
    dependencies: NotRequired[list[Dependency]]


def in_utc(at: datetime) -> str:
    """Return a time as RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def job_view(job: Job, hub: Hub) -> JobView:
    """Return a job's status."""
    return {
        "id": job.id,
        "status": job.status,
        "conclusion": job.conclusion,
        "reason": job.reason,
        "phase": job.phase,
        "explanation": hub.explain(job),
        "exit_code": job.exit_code,
        "host": job.host,
        "attempt": job.attempt,
        "timestamps": _timestamps(job),
        "external_id": job.spec.external_id,
        "repository": job.spec.repository,
        "job_name": job.spec.job_name,
        "retry_of": job.retry_of,
        "dead_letter": job.dead_letter,
        "cancel_requested": job.cancel_requested,
    }


def _timestamps(job: Job) -> Timestamps:
    found = {name: in_utc(at) for name, at in job.timestamps.items()}
    return {
        "accepted": found.get("accepted"),
        "claimed": found.get("claimed"),
        "placed": found.get("placed"),
        "image_ready": found.get("image_ready"),
        "created": found.get("created"),
        "started": found.get("started"),
        "exited": found.get("exited"),
        "reaped": found.get("reaped"),
    }


def event_view(event: JobEvent) -> EventView:
    """Return a line of a job's history."""
    return {
        "seq": event.seq,
        "at": in_utc(event.at),
        "kind": event.kind,
        "attempt": event.attempt,
        "data": dict(event.data),
    }


def kept_delivery_view(kept: KeptDelivery) -> KeptDeliveryView:
    """Return a webhook delivery."""
    return {
        "id": str(kept.seq),
        "delivery": kept.guid,
        "event": kept.event,
        "action": kept.action,
        "repository": kept.repository,
        "state": kept.state,
        "attempts": kept.attempts,
        "error": kept.error,
        "received_at": in_utc(kept.received_at),
        "due_at": in_utc(kept.due_at),
        "ended_at": in_utc(kept.ended_at) if kept.ended_at else None,
        "requeued_at": in_utc(kept.requeued_at) if kept.requeued_at else None,
        "requeued_by": kept.requeued_by,
    }


def host_view(host: HostStatus) -> dict[str, Any]:
    """Return a host."""
    return asdict(host)


def tree_view(node: TreeNode) -> dict[str, Any]:
    """Return an actor and its children."""
    return asdict(node)
