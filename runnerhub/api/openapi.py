"""The description of the API (OpenAPI 3.1), from its routes, its bodies and its views."""

from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from typing import Any, Literal

from pydantic import TypeAdapter

from runnerhub.api.routes import ROUTES, Kind, Route
from runnerhub.api.schemas import DelegateBody

REF = "#/components/schemas/{model}"
TEXT = {"type": "string"}
PROBLEM = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "properties": {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": TEXT, "message": TEXT},
                "required": ["field", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}
# A request of odd shape is refused wherever it goes.
EVERYWHERE = 400
HEADERS = {
    401: {"WWW-Authenticate": {"required": True, "schema": TEXT}},
    503: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
}


@cache
def describe() -> dict[str, Any]:
    """Return the description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "RunnerHub", "version": "1"},
        "paths": {
            path: {method: _operation(path, route) for method, route in methods.items()}
            for path, methods in ROUTES.items()
        },
        "components": {
            "schemas": {**_schemas(), "Problem": PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas() -> dict[str, Any]:
    views = dict.fromkeys(
        kind
        for methods in ROUTES.values()
        for route in methods.values()
        for kind in route.answers.values()
        if not isinstance(kind, str)
    )
    inputs: list[tuple[str, Literal["validation", "serialization"], TypeAdapter[Any]]] = [
        ("body", "validation", TypeAdapter(DelegateBody))
    ]
    inputs += [(view.__name__, "serialization", TypeAdapter(view)) for view in views]
    _, found = TypeAdapter.json_schemas(inputs, ref_template=REF)
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def _operation(path: str, route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "responses": {
            **{str(code): _answer(code, kind) for code, kind in route.answers.items()},
            **{str(code): _problem(code) for code in sorted({EVERYWHERE, *route.problems})},
        },
    }
    if parameters := list(_parameters(path, route)):
        operation["parameters"] = parameters
    if route.role is not None:
        operation["security"] = [{"token": []}]
        operation["description"] = f"Role {route.role} or above."
    if path == "/api/jobs/delegate":
        body = {"schema": {"$ref": REF.format(model=DelegateBody.__name__)}}
        operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    return operation


def _parameters(path: str, route: Route) -> Iterator[dict[str, Any]]:
    for part in path.split("/"):
        if part.startswith("{"):
            yield {"name": part[1:-1], "in": "path", "required": True, "schema": TEXT}
    for name, schema in (route.query or {}).items():
        yield {"name": name, "in": "query", "schema": schema}


def _answer(code: int, kind: Kind) -> dict[str, Any]:
    words = HTTPStatus(code).phrase
    if isinstance(kind, str):
        return {"description": words, "content": {kind: {}}}
    schema = {"$ref": REF.format(model=kind.__name__)}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _problem(code: int) -> dict[str, Any]:
    schema = {"$ref": REF.format(model="Problem")}
    answer: dict[str, Any] = {
        "description": HTTPStatus(code).phrase,
        "content": {"application/problem+json": {"schema": schema}},
    }
    if code in HEADERS:
        answer["headers"] = HEADERS[code]
    return answer
