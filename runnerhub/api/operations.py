"""Health, metrics, hosts, the tree, and the description of the API."""

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from quart import Blueprint, Response, current_app

from runnerhub.api.guard import needs, role_of_request
from runnerhub.api.jobs import hub
from runnerhub.api.openapi import describe
from runnerhub.api.problems import Problem, not_found
from runnerhub.api.views import host_view, tree_view

operations = Blueprint("operations", __name__)

Answer = tuple[Mapping[str, Any], int]


@operations.get("/api/health")
async def health() -> Answer:
    """Answer while the process lives."""
    return {"status": "ok"}, HTTPStatus.OK


@operations.get("/api/health/ready")
async def ready() -> Answer:
    """Tell whether jobs can be accepted; whoever may read sees each dependency."""
    try:
        role = role_of_request()
    except Problem:
        role = None  # a probe asks for the state: that its token is too old changes nothing there
    found = await hub().dependencies()
    able = all(each.ok for each in found if each.required)
    answer: dict[str, Any] = {"status": "ready" if able else "not_ready"}
    if role is not None:
        answer["dependencies"] = [asdict(each) for each in found]
    return answer, HTTPStatus.OK if able else HTTPStatus.SERVICE_UNAVAILABLE


async def _metrics() -> Response:
    text = generate_latest(current_app.config["METRICS"])
    return Response(text, content_type=CONTENT_TYPE_LATEST)


@operations.get("/api/metrics")
async def metrics() -> Response:
    """Return the metrics for Prometheus."""
    if current_app.config["SETTINGS"].metrics_open:
        return await _metrics()
    return await needs("read")(_metrics)()


@operations.get("/api/hosts")
@needs("read")
async def hosts() -> Answer:
    """List the Docker hosts."""
    return {"hosts": [host_view(host) for host in hub().hosts()]}, HTTPStatus.OK


@operations.post("/api/hosts/<name>/drain")
@needs("operate")
async def drain(name: str) -> Answer:
    """Let a host take no more jobs; those that run go on."""
    return await _set_drained(name, drained=True)


@operations.post("/api/hosts/<name>/undrain")
@needs("operate")
async def undrain(name: str) -> Answer:
    """Let a host take jobs again."""
    return await _set_drained(name, drained=False)


async def _set_drained(name: str, *, drained: bool) -> Answer:
    if not await hub().set_drained(name, drained=drained):
        raise not_found(f"host {name}")
    host = next(each for each in hub().hosts() if each.name == name)
    return host_view(host), HTTPStatus.OK


@operations.get("/api/tree")
@needs("operate")
async def tree() -> Answer:
    """Return the running tree."""
    return tree_view(hub().tree()), HTTPStatus.OK


@operations.get("/api/openapi.json")
async def openapi() -> Answer:
    """Describe the API."""
    return describe(), HTTPStatus.OK
