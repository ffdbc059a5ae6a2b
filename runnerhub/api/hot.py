"""The two routes that are asked all day: delegating a job, and where a job stands.

Each is one function of what it needs of a request, so that it can be reached by two doors: by
Quart, and past it by the server itself. Quart's way to a handler costs ten times what either does.
"""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from pydantic import TypeAdapter

from runnerhub.api.guard import permit
from runnerhub.api.problems import Problem, not_found, reply_to
from runnerhub.api.reading import read_job, refuse_other_types
from runnerhub.api.replies import Reply
from runnerhub.api.views import JobView, job_view
from runnerhub.model.ids import is_job_id
from runnerhub.model.job import Job
from runnerhub.ports.hub import Hub
from runnerhub.ports.ledger import AcceptResult

if TYPE_CHECKING:
    from runnerhub.api.auth import Tokens
    from runnerhub.api.parsing import WireRequest

DELEGATE = b"/api/jobs/delegate"
STATUS_FORM = re.compile(rb"/api/jobs/(job_[0-9a-z]{26})(?:/status)?")

# Knowing the shape it takes a quarter of the time.
_IN_JSON = TypeAdapter(JobView).serializer.to_json


class Asked(Protocol):
    """What a hot route needs of a request."""

    def header(self, name: str) -> str | None:
        """Return the first header of a name in lower case."""

    async def body(self) -> bytes:
        """Return the body. Raises Problem, or what bounds a body."""


async def delegate(hub: Hub, tokens: "Tokens", asked: Asked) -> Reply:
    """Accept a job. Raises Problem and what the core raises."""
    permit(tokens, asked.header("authorization"), "submit")
    refuse_other_types(asked.header("content-type"), asked.header("content-encoding"))
    spec = read_job(await asked.body(), hub.pool)
    if spec.execution.runner is not None:
        # It registers with the node's own credentials.
        permit(tokens, asked.header("authorization"), "operate")
    accepted = await hub.delegate(spec)
    match accepted.result:
        case AcceptResult.CREATED:
            return _job(HTTPStatus.CREATED, accepted.job, hub)
        case AcceptResult.EXISTING:
            return _job(HTTPStatus.OK, accepted.job, hub)
        case AcceptResult.CONFLICT:
            raise Problem(
                HTTPStatus.CONFLICT,
                f"external_id {spec.external_id!r} of {spec.repository!r} is job "
                f"{accepted.job.id} already, with another body",
            )


async def status(hub: Hub, tokens: "Tokens", job_id: str, asked: Asked) -> Reply:
    """Return where a job stands. Raises Problem and what the core raises."""
    permit(tokens, asked.header("authorization"), "read")
    job = await hub.ledger.job(job_id) if is_job_id(job_id) else None
    if job is None:
        raise not_found(f"job {job_id}")
    return _job(HTTPStatus.OK, job, hub)


def _job(status: int, job: Job, hub: Hub) -> Reply:
    return Reply(status, _IN_JSON(job_view(job, hub)))


class HotRoutes:
    """Answer past Quart what need not go through it: a whole, plain request for a hot route.

    Args:
        hub: the core.
        tokens: verify what callers bring.
    """

    def __init__(self, hub: Hub, tokens: "Tokens") -> None:
        self._hub = hub
        self._tokens = tokens

    def route(self, request: "WireRequest") -> Callable[[Asked], Awaitable[Reply]] | None:
        """Return what answers a request; None when Quart is to."""
        if request.method == "POST":
            if request.target == DELEGATE:
                return partial(delegate, self._hub, self._tokens)
        elif request.method == "GET" and (found := STATUS_FORM.fullmatch(request.target)):
            return partial(status, self._hub, self._tokens, found[1].decode())
        return None


async def answer(route: Callable[[Asked], Awaitable[Reply]], request: "WireRequest") -> Reply:
    """Return the answer to a request that has come whole."""
    try:
        return await route(_Whole(request))
    except Exception as error:  # noqa: BLE001 - every error is an answer
        return reply_to(error)


class _Whole:
    def __init__(self, request: "WireRequest") -> None:
        self._request = request

    def header(self, name: str) -> str | None:
        value = self._request.first(name.encode())
        return None if value is None else value.decode("latin-1")

    async def body(self) -> bytes:
        return self._request.take_body()
