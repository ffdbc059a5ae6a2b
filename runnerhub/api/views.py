"""What the API answers: jobs, hosts and the tree as JSON."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from runnerhub.model.job import Job, JobEvent
from runnerhub.ports.hub import HostStatus, Hub, TreeNode

STAMPS = (
    "accepted",
    "claimed",
    "placed",
    "image_ready",
    "created",
    "started",
    "exited",
    "reaped",
)


def moment(at: datetime | None) -> str | None:
    """Return a time as RFC 3339, in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def job_view(job: Job, hub: Hub) -> dict[str, Any]:
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
        "timestamps": {name: moment(job.timestamps.get(name)) for name in STAMPS},
        "external_id": job.spec.external_id,
        "repository": job.spec.repository,
        "job_name": job.spec.job_name,
        "retry_of": job.retry_of,
        "dead_letter": job.dead_letter,
        "cancel_requested": job.cancel_requested,
    }


def event_view(event: JobEvent) -> dict[str, Any]:
    """Return a line of a job's history."""
    return {
        "seq": event.seq,
        "at": moment(event.at),
        "kind": event.kind,
        "attempt": event.attempt,
        "data": dict(event.data),
    }


def host_view(host: HostStatus) -> dict[str, Any]:
    """Return a host."""
    return asdict(host)


def tree_view(node: TreeNode) -> dict[str, Any]:
    """Return an actor and its children."""
    return asdict(node)
