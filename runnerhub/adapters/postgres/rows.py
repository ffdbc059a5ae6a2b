"""Between the model and the columns."""

import functools
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from runnerhub.model.job import (
    Conclusion,
    Execution,
    Job,
    JobEvent,
    JobSpec,
    Network,
    Phase,
    Ready,
    Reason,
    Resources,
    Service,
)
from runnerhub.model.logs import LogCursor
from runnerhub.model.runner import RunnerWish

Row = Any  # asyncpg.Record


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def dump(value: object) -> str:
    """Return a stable JSON text."""
    return _ENCODER.encode(value)


def clean(text: str) -> str:
    """Return a text without what PostgreSQL cannot hold."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def spec_to_json(spec: JobSpec) -> str:
    """Return a spec as JSON. Equal specs have equal texts."""
    run = spec.execution
    want = run.resources
    execution = {
        "image": run.image,
        "command": list(run.command),
        "env": dict(run.env),
        "resources": {
            "cpus": None if want.cpus is None else float(want.cpus),
            "memory_mb": want.memory_mb,
            "pids": want.pids,
            "disk_mb": want.disk_mb,
            "tmpfs_mb": want.tmpfs_mb,
        },
        "network": run.network.value,
        "services": [_service_to_json(service) for service in run.services],
    }
    if run.runner is not None:
        execution["runner"] = _runner_to_json(run.runner)
    return dump(
        {
            "external_id": spec.external_id,
            "repository": spec.repository,
            "execution": execution,
            "workflow": spec.workflow,
            "job_name": spec.job_name,
            "run_id": spec.run_id,
            "run_attempt": spec.run_attempt,
            "labels": list(spec.labels),
            "priority": spec.priority,
            "timeout_seconds": float(spec.timeout_seconds),
        }
    )


def _runner_to_json(wish: RunnerWish) -> dict[str, object]:
    return {
        "scope": wish.scope,
        "labels": list(wish.labels),
        "group": wish.group,
        "pool": wish.pool,
        "scale_set": wish.scale_set,
    }


def _service_to_json(service: Service) -> dict[str, object]:
    ready = service.ready and {
        "command": list(service.ready.command),
        "interval_seconds": float(service.ready.interval_seconds),
        "timeout_seconds": float(service.ready.timeout_seconds),
    }
    return {
        "name": service.name,
        "image": service.image,
        "env": dict(service.env),
        "command": list(service.command),
        "ready": ready,
    }


def spec_from_json(text: str) -> JobSpec:
    """Make a spec again. That of a short text is kept: each step of a job asks for the same."""
    return (_kept if len(text) <= _KEPT_LENGTH else _spec)(text)


def _spec(text: str) -> JobSpec:
    fields = json.loads(text)
    run = fields["execution"]
    run["command"] = tuple(run["command"])
    run["resources"] = Resources(**run["resources"])
    run["network"] = Network(run["network"])
    run["services"] = tuple(_service(service) for service in run["services"])
    if (wish := run.get("runner")) is not None:
        run["runner"] = RunnerWish(**{**wish, "labels": tuple(wish["labels"])})
    fields["execution"] = Execution(**run)
    fields["labels"] = tuple(fields["labels"])
    return JobSpec(**fields)


_KEPT_LENGTH = 4096  # 2,048 specs are some MB then
_kept = functools.lru_cache(2048)(_spec)


def _service(fields: dict[str, Any]) -> Service:
    fields["command"] = tuple(fields["command"])
    if (ready := fields["ready"]) is not None:
        ready["command"] = tuple(ready["command"])
        fields["ready"] = Ready(**ready)
    return Service(**fields)


def body_hash(spec_json: str) -> str:
    """Return what tells one body from another."""
    return hashlib.sha256(spec_json.encode()).hexdigest()


def job(row: Row) -> Job:
    """Make a job of a row of `jobs`."""
    return Job(
        id=row["id"],
        spec=spec_from_json(row["spec"]),
        phase=Phase(row["phase"]),
        attempt=row["attempt"],
        strikes=row["strikes"],
        sandbox_id=row["sandbox_id"],
        host=row["host"],
        fence=row["fence"],
        conclusion=row["conclusion"] and Conclusion(row["conclusion"]),
        reason=row["reason"] and Reason(row["reason"]),
        explanation=row["explanation"],
        exit_code=row["exit_code"],
        cancel_requested=row["cancel_requested"],
        dead_letter=row["dead_letter"],
        retry_of=row["retry_of"],
        not_before=row["not_before"],
        timestamps={
            name: datetime.fromtimestamp(seconds, UTC)
            for name, seconds in json.loads(row["timestamps"]).items()
        },
    )


def event(row: Row) -> JobEvent:
    """Make an event of a row of `job_events`."""
    data = json.loads(row["data"])
    return JobEvent(row["job_id"], row["seq"], row["at"], row["kind"], row["attempt"], data)


def cursor_to_json(cursor: LogCursor) -> str:
    """Return a cursor as JSON."""
    return dump([cursor.at, cursor.stdout, cursor.stderr])


def cursor_from_json(text: str) -> LogCursor:
    """Make a cursor again."""
    return LogCursor(*json.loads(text))
