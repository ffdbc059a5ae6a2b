"""The description of the API (OpenAPI 3.1), from the routes and the pydantic bodies."""

from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from runnerhub.api.schemas import DelegateBody

REF = "#/components/schemas/{model}"
PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
# path: {method: (summary, role that is enough, success, further problems)}
ROUTES: dict[str, dict[str, tuple[str, str | None, int, tuple[int, ...]]]] = {
    "/api/jobs/delegate": {
        "post": ("Accept a job", "proxy", 201, (400, 401, 403, 409, 413, 415, 422, 503))
    },
    "/api/jobs": {"get": ("List jobs, newest first", "viewer", 200, (400, 401, 503))},
    "/api/jobs/{id}": {"get": ("Return a job", "viewer", 200, (401, 404, 503))},
    "/api/jobs/{id}/status": {"get": ("Return where a job stands", "viewer", 200, (401, 404, 503))},
    "/api/jobs/{id}/logs": {"get": ("Return or follow a log", "viewer", 200, (401, 404, 503))},
    "/api/jobs/{id}/events": {"get": ("Return a job's history", "viewer", 200, (401, 404, 503))},
    "/api/jobs/{id}/cancel": {"post": ("Cancel a job", "proxy", 202, (401, 403, 404, 409, 503))},
    "/api/dead-letters": {"get": ("List what was given up", "viewer", 200, (400, 401, 503))},
    "/api/dead-letters/{id}/requeue": {
        "post": ("Make a new job of a dead letter", "operator", 201, (401, 403, 404, 503))
    },
    "/api/hosts": {"get": ("List Docker hosts", "viewer", 200, (401,))},
    "/api/hosts/{name}/drain": {"post": ("Drain a host", "operator", 200, (401, 403, 404, 503))},
    "/api/hosts/{name}/undrain": {
        "post": ("Take a host back", "operator", 200, (401, 403, 404, 503))
    },
    "/api/tree": {"get": ("Return the running tree", "operator", 200, (401, 403))},
    "/api/health": {"get": ("Answer while alive", None, 200, ())},
    "/api/health/ready": {"get": ("Tell whether jobs can be accepted", None, 200, (503,))},
    "/api/metrics": {"get": ("Metrics for Prometheus", "viewer", 200, (401,))},
    "/api/openapi.json": {"get": ("This description", None, 200, ())},
}


@cache
def describe() -> dict[str, Any]:
    """Return the description."""
    _, schemas = models_json_schema([(DelegateBody, "validation")], ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": "RunnerHub", "version": "1"},
        "paths": {
            path: {method: _operation(path, *what) for method, what in methods.items()}
            for path, methods in ROUTES.items()
        },
        "components": {
            "schemas": {**schemas["$defs"], "Problem": PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    path: str, summary: str, role: str | None, success: int, problems: tuple[int, ...]
) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": REF.format(model="Problem")}}}
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            str(success): {"description": "done"},
            **{str(code): {"description": "problem", "content": problem} for code in problems},
        },
    }
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    if role is not None:
        operation["security"] = [{"token": []}]
        operation["description"] = f"Role {role} or above."
    if path == "/api/jobs/delegate":
        body = {"schema": {"$ref": REF.format(model="DelegateBody")}}
        operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    return operation
