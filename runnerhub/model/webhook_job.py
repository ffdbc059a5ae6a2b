"""A workflow job as GitHub tells of it, and what a later word changes. Pure and total.

    waiting, pending, requested, anything unknown  →  queued  →  in_progress  →  completed

Deliveries may come late, twice, or out of order, so a job only moves forward.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

QUEUED, IN_PROGRESS, COMPLETED = "queued", "in_progress", "completed"
_RANKS = {QUEUED: 1, IN_PROGRESS: 2, COMPLETED: 3}
MOST_ID = 2**63 - 1
LONGEST_TEXT = 1024
MOST_LABELS = 100


@dataclass(frozen=True, slots=True)
class WorkflowJob:
    """Where a workflow job stands. What was not told is None.

    Attributes:
        id: at GitHub. A rerun has another.
        repository: OWNER/NAME, as GitHub writes it.
        status: queued, in_progress, completed; waiting, pending, requested; or a new one.
        conclusion: success, failure, cancelled, …; once completed.
        installation_id: of the App through which it was told.
        created_at: when GitHub made it; `first_seen_at` when the ledger heard of it.
        heard_at: when the ledger heard of it last.
    """

    id: int
    repository: str
    status: str
    labels: tuple[str, ...] = ()
    conclusion: str | None = None
    run_id: int | None = None
    run_attempt: int | None = None
    name: str | None = None
    workflow: str | None = None
    head_branch: str | None = None
    runner_id: int | None = None
    runner_name: str | None = None
    runner_group_id: int | None = None
    installation_id: int | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    first_seen_at: datetime | None = None
    heard_at: datetime | None = None

    @property
    def rank(self) -> int:
        """How far it has come: 0 before queued, 3 when completed."""
        return _RANKS.get(self.status, 0)

    def fits(self, labels: frozenset[str]) -> bool:
        """Tell whether a runner with these labels, in lower case, may take it."""
        return all(label.lower() in labels for label in self.labels)


def read_job(
    raw: object, action: object, repository: object, installation: object = None
) -> WorkflowJob | None:
    """Read a `workflow_job` of a payload, or a job of GitHub's API; None when it names no job.

    Args:
        raw: the job.
        action: of the payload: stands in for a missing status.
        repository: its full name.
        installation: the id of the App's installation.
    """
    if not isinstance(raw, Mapping):
        return None
    number, where = whole(raw.get("id")), text(repository)
    if number is None or where is None:
        return None
    conclusion = text(raw.get("conclusion"))
    status = text(raw.get("status")) or text(action) or "unknown"
    if conclusion is not None or action == COMPLETED:
        status = COMPLETED
    labels = raw.get("labels")
    return WorkflowJob(
        number,
        where,
        status,
        tuple(
            label
            for each in (labels[:MOST_LABELS] if isinstance(labels, list) else ())
            if (label := text(each)) is not None
        ),
        conclusion,
        run_id=whole(raw.get("run_id")),
        run_attempt=whole(raw.get("run_attempt")),
        name=text(raw.get("name")),
        workflow=text(raw.get("workflow_name")),
        head_branch=text(raw.get("head_branch")),
        runner_id=whole(raw.get("runner_id")),
        runner_name=text(raw.get("runner_name")),
        runner_group_id=whole(raw.get("runner_group_id")),
        installation_id=whole(installation),
        created_at=moment(raw.get("created_at")),
        started_at=moment(raw.get("started_at")),
        completed_at=moment(raw.get("completed_at")),
    )


def merge(known: WorkflowJob, told: WorkflowJob) -> WorkflowJob:
    """Return what is known of a job after it was told of again.

    The further of the two counts; what it does not say is taken from the other. Where both are
    as far, the first word stands.
    """
    newer, older = (told, known) if told.rank > known.rank else (known, told)
    if known.rank == told.rank == 0:
        newer, older = told, known  # of those before queued none is further than another
    gaps = {
        field.name: getattr(older, field.name)
        for field in fields(WorkflowJob)
        if getattr(newer, field.name) in (None, ())
    }
    merged = replace(newer, **gaps)
    return replace(merged, first_seen_at=known.first_seen_at, heard_at=known.heard_at)


def whole(value: object) -> int | None:
    """Return a positive whole number that the ledger can hold; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= MOST_ID else None


def text(value: object) -> str | None:
    """Return a text that is not empty, shortened; None for all else."""
    if not isinstance(value, str):
        return None
    clean = value[:LONGEST_TEXT].replace("\0", "\ufffd")
    return clean.encode("utf-8", "replace").decode("utf-8") or None


def moment(value: object) -> datetime | None:
    """Return a time of GitHub's: ISO 8601 or, in old payloads, Unix seconds; None for all else."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
