"""What is kept of GitHub: repositories, workflows, runners, runs. Pure; no answer is an error."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from runnerhub.model.webhook_job import COMPLETED, IN_PROGRESS, moment, text, whole

ORGANIZATION = "Organization"
MOST_LABELS = 100

Raw = Mapping[str, Any]


class Kind(StrEnum):
    """What is looked at; the name under which it is served."""

    REPOSITORIES = "repositories"
    WORKFLOWS = "workflows"
    RUNNERS = "runners"
    RUNS = "runs"


@dataclass(frozen=True, slots=True)
class Thing:
    """Something at GitHub.

    Attributes:
        id: GitHub's; of runners, unique within their scope only.
        scope: the repository it is, or belongs to, as OWNER/NAME; of an organisation's runner
            that organisation.
        data: as it is shown.
        version: grows as it moves on; a thing is never replaced by an older one of itself.
    """

    id: int
    scope: str
    data: Mapping[str, Any]
    version: str = ""


def listed(kind: Kind, answer: object) -> list[Raw]:
    """Return the items of a page of GitHub's."""
    if isinstance(answer, Mapping):
        answer = answer.get("workflow_runs" if kind is Kind.RUNS else str(kind))
    return (
        [each for each in answer if isinstance(each, Mapping)] if isinstance(answer, list) else []
    )


def read_things(kind: Kind, items: Collection[Raw], scope: str) -> list[Thing]:
    """Read the items of a look; what names no id is left out.

    Args:
        kind: of the items.
        items: as GitHub lists them.
        scope: what was looked at; a repository says itself what it is.
    """
    found = (_READ[kind](item, scope) for item in items)
    return list({thing.id: thing for thing in found if thing is not None}.values())


def read_run(raw: object, scope: str) -> Thing | None:
    """Read a run, from the API or from a webhook."""
    if not isinstance(raw, Mapping) or (number := whole(raw.get("id"))) is None:
        return None
    conclusion = text(raw.get("conclusion"))
    status = COMPLETED if conclusion else text(raw.get("status")) or "unknown"
    attempt = whole(raw.get("run_attempt")) or 1
    updated = moment(raw.get("updated_at"))
    rank = {COMPLETED: 2, IN_PROGRESS: 1}.get(status, 0)
    data = {
        "name": text(raw.get("name")),
        "workflow_id": whole(raw.get("workflow_id")),
        "number": whole(raw.get("run_number")),
        "attempt": attempt,
        "event": text(raw.get("event")),
        "status": status,
        "conclusion": conclusion,
        "branch": text(raw.get("head_branch")),
        "sha": text(raw.get("head_sha")),
        "created_at": text(raw.get("created_at")),
        "updated_at": updated.isoformat() if updated else None,
        "url": text(raw.get("html_url")),
    }
    # A run's own clock counts whole seconds, within which it may be done: so the rank, too.
    version = f"{attempt:09d} {updated.isoformat() if updated else ''} {rank}"
    return Thing(number, scope, data, version)


def is_busy(kind: Kind, things: Sequence[Thing]) -> bool:
    """Tell whether something is under way there, so that it will soon be otherwise."""
    if kind is Kind.RUNS:
        return any(thing.data["status"] != COMPLETED for thing in things)
    return kind is Kind.RUNNERS and any(thing.data["busy"] for thing in things)


def told_by(tags: Collection[str]) -> tuple[frozenset[str], frozenset[tuple[Kind, str]]]:
    """Return of which repositories webhooks told, and what they ask to be looked at soon.

    Args:
        tags: of what they make stale (`model.webhook`). A look of repositories is named by the
            empty scope: all of them.
    """
    told: set[str] = set()
    soon: set[tuple[Kind, str]] = set()
    for tag in tags:
        what, _, name = tag.lower().partition(":")
        if what in {"repositories", "installations"}:
            soon.add((Kind.REPOSITORIES, ""))
        elif what == "runs":
            told.add(name)
        elif what == "contents":  # a push: a workflow may have come or gone
            told.add(name)
            soon.add((Kind.WORKFLOWS, name))
    return frozenset(told), frozenset(soon)


def _repository(raw: Raw, scope: str) -> Thing | None:
    del scope
    number, name = whole(raw.get("id")), text(raw.get("full_name"))
    if number is None or name is None or "/" not in name:
        return None
    owner = raw.get("owner")
    data = {
        "private": bool(raw.get("private")),
        "archived": bool(raw.get("archived") or raw.get("disabled")),
        "default_branch": text(raw.get("default_branch")),
        "owner_kind": text(owner.get("type")) if isinstance(owner, Mapping) else None,
        "pushed_at": text(raw.get("pushed_at")),
        "url": text(raw.get("html_url")),
    }
    return Thing(number, name, data)


def _workflow(raw: Raw, scope: str) -> Thing | None:
    if (number := whole(raw.get("id"))) is None:
        return None
    names = {"name": "name", "path": "path", "state": "state", "url": "html_url"}
    return Thing(number, scope, {ours: text(raw.get(name)) for ours, name in names.items()})


def _runner(raw: Raw, scope: str) -> Thing | None:
    if (number := whole(raw.get("id"))) is None:
        return None
    labels = raw.get("labels")
    found = (
        text(each.get("name")) if isinstance(each, Mapping) else None
        for each in (labels[:MOST_LABELS] if isinstance(labels, list) else ())
    )
    data = {
        "name": text(raw.get("name")),
        "os": text(raw.get("os")),
        "status": text(raw.get("status")),
        "busy": bool(raw.get("busy")),
        "labels": [label for label in found if label],
        "group_id": whole(raw.get("runner_group_id")),
    }
    return Thing(number, scope, data)


_READ: Mapping[Kind, Callable[[Raw, str], Thing | None]] = {
    Kind.REPOSITORIES: _repository,
    Kind.WORKFLOWS: _workflow,
    Kind.RUNNERS: _runner,
    Kind.RUNS: read_run,
}
