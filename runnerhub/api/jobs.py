"""Jobs and dead letters."""

import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from quart import Blueprint, Response, current_app

from runnerhub.api import hot
from runnerhub.api.exchange import Asking, response
from runnerhub.api.guard import needs
from runnerhub.api.problems import Problem, not_found
from runnerhub.api.reading import parameters
from runnerhub.api.views import event_view, job_view
from runnerhub.model.ids import is_job_id
from runnerhub.model.job import Job, Status
from runnerhub.ports.hub import Hub
from runnerhub.ports.ledger import AcceptResult

jobs = Blueprint("jobs", __name__)

LIMIT_FORM = re.compile(r"[1-9][0-9]{0,3}")
MOST_JOBS = 1000
ATTEMPT_FORM = re.compile(r"[1-9][0-9]{0,2}")
FOLLOW = {"true": True, "false": False, "1": True, "0": False}

Answer = tuple[Mapping[str, Any], int]


def hub() -> Hub:
    """Return the core behind this app."""
    found: Hub = current_app.config["HUB"]
    return found


async def the_job(job_id: str) -> Job:
    """Return a job, or raise the problem that there is none."""
    job = await hub().ledger.job(job_id) if is_job_id(job_id) else None
    if job is None:
        raise not_found(f"job {job_id}")
    return job


@jobs.post("/api/jobs/delegate")
async def delegate() -> Response:
    """Accept a job."""
    return response(await hot.delegate(hub(), current_app.config["TOKENS"], Asking()))


@jobs.get("/api/jobs/<job_id>")
@jobs.get("/api/jobs/<job_id>/status")
async def status(job_id: str) -> Response:
    """Return where a job stands."""
    return response(await hot.status(hub(), current_app.config["TOKENS"], job_id, Asking()))


@jobs.get("/api/jobs")
@needs("read")
async def listing() -> Answer:
    """List jobs, newest first."""
    return await _page(dead_letters=False)


@jobs.get("/api/dead-letters")
@needs("read")
async def dead_letters() -> Answer:
    """List jobs that were given up."""
    return await _page(dead_letters=True)


async def _page(*, dead_letters: bool) -> Answer:
    args = parameters("status", "repository", "cursor", "limit")
    wanted = args.get("status")
    if wanted is not None and wanted not in set(Status):
        words = f"status must be one of {', '.join(Status)}"
        raise Problem(HTTPStatus.BAD_REQUEST, words)
    limit = args.get("limit", "100")
    if not LIMIT_FORM.fullmatch(limit) or int(limit) > MOST_JOBS:
        raise Problem(HTTPStatus.BAD_REQUEST, "limit must be a whole number from 1 to 1000")
    repository = args.get("repository")
    if repository is not None and "\0" in repository:
        raise Problem(HTTPStatus.BAD_REQUEST, "repository must not hold a NUL character")
    try:
        page = await hub().ledger.jobs(
            status=Status(wanted) if wanted else None,
            repository=repository,
            dead_letters=dead_letters,
            cursor=args.get("cursor"),
            limit=int(limit),
        )
    except ValueError:
        words = "cursor must be the next_cursor of an earlier answer"
        raise Problem(HTTPStatus.BAD_REQUEST, words) from None
    views = [job_view(job, hub()) for job in page.jobs]
    return {"jobs": views, "next_cursor": page.next_cursor}, HTTPStatus.OK


@jobs.get("/api/jobs/<job_id>/events")
@needs("read")
async def events(job_id: str) -> Answer:
    """Return a job's history."""
    await the_job(job_id)
    found = await hub().ledger.events(job_id)
    return {"events": [event_view(event) for event in found]}, HTTPStatus.OK


@jobs.get("/api/jobs/<job_id>/logs")
@needs("read")
async def logs(job_id: str) -> Response:
    """Return a job's log; with follow=true until the job is completed."""
    args = parameters("follow", "attempt")
    asked, attempt = args.get("follow", "false"), args.get("attempt")
    if asked not in FOLLOW:
        raise Problem(HTTPStatus.BAD_REQUEST, "follow must be true or false")
    follow = FOLLOW[asked]
    if attempt is not None and follow:
        raise Problem(HTTPStatus.BAD_REQUEST, "attempt names one; follow=true goes over all")
    job = await the_job(job_id)
    if attempt is not None:
        if not ATTEMPT_FORM.fullmatch(attempt) or int(attempt) > job.attempt:
            words = f"attempt must be a whole number from 1 to {job.attempt}"
            raise Problem(HTTPStatus.BAD_REQUEST, words)
        job = replace(job, attempt=int(attempt))
    parts = hub().follow_log(job, follow=follow)
    answer = Response(parts, content_type="text/plain; charset=utf-8")
    answer.timeout = None  # a followed log lasts as long as its job
    return answer


@jobs.post("/api/jobs/<job_id>/cancel")
@needs("submit")
async def cancel(job_id: str) -> Answer:
    """Cancel a job."""
    before = await the_job(job_id)
    if before.status is Status.COMPLETED:
        raise Problem(HTTPStatus.CONFLICT, f"job {job_id} is completed: {before.conclusion}")
    job = await hub().cancel(job_id)
    if job is None:
        raise not_found(f"job {job_id}")
    if job.status is Status.COMPLETED:
        raise Problem(HTTPStatus.CONFLICT, f"job {job_id} is completed: {job.conclusion}")
    return job_view(job, hub()), HTTPStatus.ACCEPTED


@jobs.post("/api/dead-letters/<job_id>/requeue")
@needs("operate")
async def requeue(job_id: str) -> Answer:
    """Make a new job of a dead letter."""
    accepted = await hub().requeue(job_id) if is_job_id(job_id) else None
    if accepted is None:
        raise not_found(f"dead letter {job_id}")
    code = HTTPStatus.CREATED if accepted.result is AcceptResult.CREATED else HTTPStatus.OK
    return job_view(accepted.job, hub()), code
