"""What is kept of GitHub: repositories, workflows, runners, runs."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from quart import Blueprint

from runnerhub.api.github_views import seen_view
from runnerhub.api.guard import needs
from runnerhub.api.jobs import LIMIT_FORM, MOST_JOBS, hub
from runnerhub.api.problems import Problem
from runnerhub.api.reading import parameters
from runnerhub.model.github_sync import Kind

github = Blueprint("github", __name__)

Answer = tuple[Mapping[str, Any], int]


@github.get("/api/github/repositories")
@needs("read")
async def repositories() -> Answer:
    """List repositories."""
    return await _page(Kind.REPOSITORIES)


@github.get("/api/github/workflows")
@needs("read")
async def workflows() -> Answer:
    """List workflows."""
    return await _page(Kind.WORKFLOWS)


@github.get("/api/github/runners")
@needs("read")
async def runners() -> Answer:
    """List runners."""
    return await _page(Kind.RUNNERS)


@github.get("/api/github/runs")
@needs("read")
async def runs() -> Answer:
    """List runs with their jobs."""
    return await _page(Kind.RUNS)


async def _page(kind: Kind) -> Answer:
    args = parameters("repository", "cursor", "limit")
    limit = args.get("limit", "100")
    if not LIMIT_FORM.fullmatch(limit) or int(limit) > MOST_JOBS:
        raise Problem(HTTPStatus.BAD_REQUEST, "limit must be a whole number from 1 to 1000")
    repository = args.get("repository")
    if repository is not None and "\0" in repository:
        raise Problem(HTTPStatus.BAD_REQUEST, "repository must not hold a NUL character")
    state = hub().github_state
    if state is None:
        return {str(kind): [], "next_cursor": None, "configured": False}, HTTPStatus.OK
    try:
        page = await state.things(
            kind, repository=repository, cursor=args.get("cursor"), limit=int(limit)
        )
    except ValueError:
        words = "cursor must be the next_cursor of an earlier answer"
        raise Problem(HTTPStatus.BAD_REQUEST, words) from None
    return {
        str(kind): [seen_view(kind, seen) for seen in page.items],
        "next_cursor": page.next_cursor,
        "configured": True,
    }, HTTPStatus.OK
