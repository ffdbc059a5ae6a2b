"""What the API answers of GitHub."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict  # before Python 3.12 pydantic takes no other

from runnerhub.api.views import Moment, in_utc
from runnerhub.model.github_sync import Kind
from runnerhub.model.webhook_job import WorkflowJob
from runnerhub.ports.github_state import Seen


class RepositoryView(TypedDict):
    """A repository that a credential sees."""

    id: int
    repository: str
    private: bool
    archived: bool
    default_branch: str | None
    owner_kind: str | None
    pushed_at: str | None
    url: str | None
    seen_at: Moment


class WorkflowView(TypedDict):
    """A workflow."""

    id: int
    repository: str
    name: str | None
    path: str | None
    state: str | None
    url: str | None
    seen_at: Moment


class RunnerView(TypedDict):
    """A runner of a repository or, without a slash in `scope`, of an organisation."""

    id: int
    scope: str
    name: str | None
    os: str | None
    status: str | None
    busy: bool
    labels: list[str]
    group_id: int | None
    seen_at: Moment


class RunJobView(TypedDict):
    """A job of a run."""

    id: int
    name: str | None
    attempt: int | None
    status: str
    conclusion: str | None
    labels: list[str]
    runner_name: str | None
    started_at: Moment | None
    completed_at: Moment | None


class RunView(TypedDict):
    """A run, and those of its jobs that are known."""

    id: int
    repository: str
    name: str | None
    workflow_id: int | None
    number: int | None
    attempt: int
    event: str | None
    status: str
    conclusion: str | None
    branch: str | None
    sha: str | None
    created_at: str | None
    updated_at: str | None
    url: str | None
    jobs: list[RunJobView]
    seen_at: Moment


class RepositoryListView(TypedDict):
    """Repositories; `configured` tells whether GitHub is."""

    repositories: list[RepositoryView]
    next_cursor: str | None
    configured: bool


class WorkflowListView(TypedDict):
    """Workflows; `configured` tells whether GitHub is."""

    workflows: list[WorkflowView]
    next_cursor: str | None
    configured: bool


class RunnerListView(TypedDict):
    """Runners; `configured` tells whether GitHub is."""

    runners: list[RunnerView]
    next_cursor: str | None
    configured: bool


class RunListView(TypedDict):
    """Runs, newest first; `configured` tells whether GitHub is."""

    runs: list[RunView]
    next_cursor: str | None
    configured: bool


GITHUB_VIEWS: Mapping[Kind, type] = {
    Kind.REPOSITORIES: RepositoryListView,
    Kind.WORKFLOWS: WorkflowListView,
    Kind.RUNNERS: RunnerListView,
    Kind.RUNS: RunListView,
}


def seen_view(kind: Kind, seen: Seen) -> dict[str, Any]:
    """Return a thing as it was seen."""
    thing = seen.thing
    view: dict[str, Any] = {"id": thing.id}
    view["scope" if kind is Kind.RUNNERS else "repository"] = thing.scope
    view |= thing.data
    if kind is Kind.RUNS:
        view["jobs"] = [_job_view(job) for job in seen.jobs]
    return view | {"seen_at": in_utc(seen.seen_at)}


def _job_view(job: WorkflowJob) -> RunJobView:
    return {
        "id": job.id,
        "name": job.name,
        "attempt": job.run_attempt,
        "status": job.status,
        "conclusion": job.conclusion,
        "labels": list(job.labels),
        "runner_name": job.runner_name,
        "started_at": in_utc(job.started_at) if job.started_at else None,
        "completed_at": in_utc(job.completed_at) if job.completed_at else None,
    }
