"""What each route takes and answers, for the description of the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runnerhub.api.github_views import GITHUB_VIEWS
from runnerhub.api.views import (
    AliveView,
    DeliveryListView,
    DeliveryView,
    HistoryView,
    HostListView,
    JobListView,
    JobView,
    KeptDeliveryView,
    ReadyView,
)
from runnerhub.model.job import Status
from runnerhub.ports.deliveries import DeliveryState
from runnerhub.ports.hub import HostStatus, TreeNode

Kind = type | str  # a view, or the content type of what is no JSON of a view's


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    Attributes:
        role: the least that is enough; None where nobody is asked.
        answers: what is answered, by status, other than problems.
        problems: their statuses, beside those of every route.
        query: its parameters, by name, as JSON schemas.
    """

    summary: str
    role: str | None
    answers: Mapping[int, Kind]
    problems: tuple[int, ...] = ()
    query: Mapping[str, Mapping[str, Any]] | None = None


PAGE: Mapping[str, Mapping[str, Any]] = {
    "status": {"type": "string", "enum": [*Status]},
    "repository": {"type": "string"},
    "cursor": {"type": "string", "description": "The next_cursor of an earlier answer."},
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
}
SEEN = {name: schema for name, schema in PAGE.items() if name != "status"}
STATES: Mapping[str, Mapping[str, Any]] = {
    "state": {"type": "string", "enum": [*DeliveryState]},
    "cursor": PAGE["cursor"],
    "limit": PAGE["limit"],
}
LOG: Mapping[str, Mapping[str, Any]] = {
    "follow": {"type": "boolean", "default": False},
    "attempt": {"type": "integer", "minimum": 1},
}

JOB, HOST = {200: JobView}, {200: HostStatus}
READ, ACT = (401, 404, 503), (401, 403, 404, 503)
JSON, TEXT = "application/json", "text/plain"

ROUTES: Mapping[str, Mapping[str, Route]] = {
    "/api/jobs/delegate": {
        "post": Route(
            "Accept a job",
            "proxy",
            {201: JobView, 200: JobView},
            (401, 403, 408, 409, 413, 415, 422, 503),
        )
    },
    "/api/jobs": {
        "get": Route("List jobs, newest first", "viewer", {200: JobListView}, (401, 503), PAGE)
    },
    "/api/jobs/{id}": {"get": Route("Return a job", "viewer", JOB, READ)},
    "/api/jobs/{id}/status": {"get": Route("Return where a job stands", "viewer", JOB, READ)},
    "/api/jobs/{id}/logs": {
        "get": Route("Return or follow a log", "viewer", {200: TEXT}, READ, LOG)
    },
    "/api/jobs/{id}/events": {
        "get": Route("Return a job's history", "viewer", {200: HistoryView}, READ)
    },
    "/api/jobs/{id}/cancel": {"post": Route("Cancel a job", "proxy", {202: JobView}, (*ACT, 409))},
    "/api/dead-letters": {
        "get": Route("List what was given up", "viewer", {200: JobListView}, (401, 503), PAGE)
    },
    "/api/dead-letters/{id}/requeue": {
        "post": Route(
            "Make a new job of a dead letter", "operator", {201: JobView, 200: JobView}, ACT
        )
    },
    "/api/webhooks/github": {
        "post": Route(
            "Take a delivery of GitHub's, proved by its signature",
            None,
            {202: DeliveryView},
            (401, 404, 408, 413, 415, 503),
        )
    },
    "/api/webhooks/deliveries": {
        "get": Route(
            "List webhook deliveries, newest first",
            "operator",
            {200: DeliveryListView},
            (401, 403, 503),
            STATES,
        )
    },
    "/api/webhooks/deliveries/{id}/requeue": {
        "post": Route(
            "Have a delivery tried again that was given up",
            "operator",
            {202: KeptDeliveryView},
            ACT,
        )
    },
    **{
        f"/api/github/{kind}": {
            "get": Route(
                f"List {kind} of GitHub, newest first", "viewer", {200: view}, (401, 503), SEEN
            )
        }
        for kind, view in GITHUB_VIEWS.items()
    },
    "/api/hosts": {"get": Route("List Docker hosts", "viewer", {200: HostListView}, (401,))},
    "/api/hosts/{name}/drain": {"post": Route("Drain a host", "operator", HOST, ACT)},
    "/api/hosts/{name}/undrain": {"post": Route("Take a host back", "operator", HOST, ACT)},
    "/api/tree": {"get": Route("Return the running tree", "operator", {200: TreeNode}, (401, 403))},
    "/api/health": {"get": Route("Answer while alive", None, {200: AliveView})},
    "/api/health/ready": {
        "get": Route("Tell whether jobs can be accepted", None, {200: ReadyView, 503: ReadyView})
    },
    "/api/metrics": {"get": Route("Metrics for Prometheus", "viewer", {200: TEXT}, (401,))},
    "/api/openapi.json": {"get": Route("This description", None, {200: JSON})},
}
