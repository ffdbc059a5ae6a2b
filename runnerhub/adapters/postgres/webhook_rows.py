"""Between what deliveries ask and the columns."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from runnerhub.adapters.postgres.rows import Row, dump
from runnerhub.model.github_sync import Thing
from runnerhub.model.webhook import Action
from runnerhub.model.webhook_job import WorkflowJob, moment
from runnerhub.ports.deliveries import (
    Claimed,
    Delivery,
    DeliveryState,
    KeptDelivery,
    waits_since,
)

JOB_COLUMNS = tuple(field.name for field in fields(WorkflowJob))
_MOMENTS = ("created_at", "started_at", "completed_at")


def asks_to_json(asks: Action) -> str:
    """Return what a delivery asks as JSON, without what is not there."""
    return dump({name: value for name, value in _plain(asdict(asks)).items() if value})


def asks_from_json(text: str) -> Action:
    """Make it again. What another version wrote beside is left out."""
    found = json.loads(text)
    job, run = found.get("job"), found.get("run")
    return Action(
        _job(job) if job else None,
        tuple(found.get("stale", ())),
        found.get("repository"),
        found.get("installation_id"),
        Thing(run["id"], run["scope"], run["data"], run["version"]) if run else None,
    )


def claimed(row: Row) -> Claimed:
    """Make a claimed delivery of a row of `webhook_deliveries`."""
    asks = asks_from_json(row["asks"])
    delivery = Delivery(row["guid"], row["digest"], row["event"], row["action"], asks)
    since = waits_since(row["received_at"], row["requeued_at"])
    return Claimed(row["seq"], row["attempts"], since, delivery)


def kept(row: Row) -> KeptDelivery:
    """Make a delivery, for people, of a row of `webhook_deliveries`."""
    return KeptDelivery(
        row["seq"],
        row["guid"],
        row["event"],
        row["action"],
        json.loads(row["asks"]).get("repository"),
        DeliveryState(row["state"]),
        row["attempts"],
        row["received_at"],
        row["due_at"],
        row["ended_at"],
        row["error"],
        row["requeued_at"],
        row["requeued_by"],
    )


def workflow_job(row: Row) -> WorkflowJob:
    """Make a workflow job of a row of `github_jobs`."""
    found = {name: row[name] for name in JOB_COLUMNS}
    return WorkflowJob(**found | {"labels": tuple(row["labels"])})


def jobs_to_json(jobs: Mapping[int, WorkflowJob]) -> str:
    """Return jobs as an array of rows of `github_jobs`."""
    return dump(
        [
            _plain(asdict(job)) | {"wants": sorted({label.lower() for label in job.labels})}
            for job in jobs.values()
        ]
    )


def _job(found: Mapping[str, Any]) -> WorkflowJob:
    known = {name: value for name, value in found.items() if name in JOB_COLUMNS}
    known["labels"] = tuple(known.get("labels") or ())
    return WorkflowJob(**known | {name: moment(known.get(name)) for name in _MOMENTS})


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
