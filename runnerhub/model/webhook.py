"""From an event of GitHub's to what it asks of us. Pure and total: no payload is an error."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runnerhub.model.github_sync import Thing, read_run
from runnerhub.model.webhook_job import WorkflowJob, read_job, text, whole

Payload = Mapping[str, Any]

MOST_TAGS = 64
MOST_ACTION = 64


@dataclass(frozen=True, slots=True)
class Action:
    """What an event asks of us.

    Attributes:
        job: a workflow job, as it stands now.
        run: a run, as it stands now.
        stale: tags of what has changed at GitHub.
        repository: OWNER/NAME, where the event names one.
        installation_id: of the App.
    """

    job: WorkflowJob | None = None
    stale: tuple[str, ...] = ()
    repository: str | None = None
    installation_id: int | None = None
    run: Thing | None = None


def route(event: str, payload: Payload) -> Action | None:
    """Return what a payload asks of us; None when we do not act on such an event."""
    tags_of = _ROUTES.get(event)
    if tags_of is None:
        return None
    repository = text(inner(payload, "repository").get("full_name"))
    installation = whole(inner(payload, "installation").get("id"))
    job = None
    if event == "workflow_job":
        job = read_job(payload.get("workflow_job"), payload.get("action"), repository, installation)
    run = None
    if event == "workflow_run" and repository is not None:
        run = read_run(payload.get("workflow_run"), repository)
    tags = dict.fromkeys(tag.lower() for tag in tags_of(payload))
    return Action(job, tuple(tags)[:MOST_TAGS], repository, installation, run)


def action_of(payload: Payload) -> str | None:
    """Return the action that a payload names."""
    action = text(payload.get("action"))
    return action[:MOST_ACTION] if action else None


def inner(payload: Payload, name: str) -> Payload:
    """Return an object inside a payload; an empty one when there is none."""
    found = payload.get(name)
    return found if isinstance(found, Mapping) else {}


# ---------------------------------------------------------------- what an event makes stale


def _of_repository(payload: Payload, *kinds: str) -> Iterator[str]:
    name = text(inner(payload, "repository").get("full_name"))
    if name is not None:
        yield from (f"{kind}:{name}" for kind in kinds)


def _job(payload: Payload) -> Iterator[str]:
    yield from _of_repository(payload, "runs")
    yield from _run_tag(inner(payload, "workflow_job").get("run_id"))


def _run(payload: Payload) -> Iterator[str]:
    yield from _of_repository(payload, "runs")
    yield from _run_tag(inner(payload, "workflow_run").get("id"))


def _run_tag(number: object) -> Iterator[str]:
    if (run := whole(number)) is not None:
        yield f"run:{run}"


def _check(payload: Payload) -> Iterator[str]:
    yield from _of_repository(payload, "checks")


def _push(payload: Payload) -> Iterator[str]:
    yield from _of_repository(payload, "repo", "contents")


def _pull_request(payload: Payload) -> Iterator[str]:
    yield from _of_repository(payload, "pulls")


def _repository(payload: Payload) -> Iterator[str]:
    yield from _of_repository(payload, "repo")
    owner = text(inner(inner(payload, "repository"), "owner").get("login"))
    if owner is not None:
        yield f"repositories:{owner}"
    old_name = text(inner(inner(inner(payload, "changes"), "repository"), "name").get("from"))
    if owner is not None and old_name is not None:
        yield f"repo:{owner}/{old_name}"


def _installation(payload: Payload) -> Iterator[str]:
    found = inner(payload, "installation")
    yield "installations"
    if (number := whole(found.get("id"))) is not None:
        yield f"installation:{number}"
    if (login := text(inner(found, "account").get("login"))) is not None:
        yield f"repositories:{login}"
    for name in ("repositories", "repositories_added", "repositories_removed"):
        listed = payload.get(name)
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, Mapping) and (full := text(each.get("full_name"))) is not None:
                yield f"repo:{full}"


def _nothing(_payload: Payload) -> Iterator[str]:
    return iter(())


_ROUTES: Mapping[str, Callable[[Payload], Iterator[str]]] = {
    "workflow_job": _job,
    "workflow_run": _run,
    "check_run": _check,
    "push": _push,
    "pull_request": _pull_request,
    "repository": _repository,
    "installation": _installation,
    "installation_repositories": _installation,
    "ping": _nothing,
}
ROUTED = frozenset(_ROUTES)
