"""GitHub's published description, and whether answers and webhooks are as it says."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT4

from runnerhub.sim.github.http.site import Exchange

_NOT_MODIFIED = 304
_BLANK = re.compile(r"\{[^}]*\}")
_ERROR = "#/components/schemas/basic-error"


class Description:
    """One description, such as api.github.com.json."""

    def __init__(self, path: Path) -> None:
        self._whole: dict[str, Any] = json.loads(path.read_bytes(), object_hook=_with_null)
        resource = DRAFT4.create_resource(self._whole)
        self._registry = Registry().with_resource("urn:github", resource)
        self._paths = {_BLANK.sub("{}", path): path for path in self._whole["paths"]}
        self._validators: dict[str, OAS30Validator] = {}

    def knows(self, template: str) -> bool:
        """Say whether a path is described."""
        return _BLANK.sub("{}", template) in self._paths

    def objections(self, method: str, template: str, status: int, data: Any) -> list[str]:
        """Return what is not as described in an answer."""
        path = self._paths[_BLANK.sub("{}", template)]
        operation = self._whole["paths"][path].get(method.lower())
        if operation is None:
            return [f"{method} {template} is not described"]
        if status == _NOT_MODIFIED and method == "GET":
            # GitHub answers so to any conditional request, and describes it for a few routes.
            return [] if data is None else [f"{method} {template} 304 has a body"]
        if str(status) not in operation["responses"]:
            if status < 400:
                return [f"{method} {template} answers {status}, which is not described"]
            return self._against(_ERROR, data)
        pointer = f"#/paths/{_escape(path)}/{method.lower()}/responses/{status}"
        response = operation["responses"][str(status)]
        if "$ref" in response:
            pointer = response["$ref"]
            response = self._whole["components"]["responses"][pointer.rpartition("/")[2]]
        kind = next((each for each in response.get("content", {}) if "json" in each), None)
        if kind is None:
            return [] if data is None else [f"{method} {template} {status} has no body"]
        return self._against(f"{pointer}/content/{_escape(kind)}/schema", data)

    def webhook_objections(self, event: str, data: Any) -> list[str]:
        """Return what is not as described in a webhook's payload."""
        name = f"webhook-{event}-{data['action']}".replace("_", "-")
        return self._against(f"#/components/schemas/{name}", data)

    def _against(self, pointer: str, data: Any) -> list[str]:
        validator = self._validators.get(pointer)
        if validator is None:
            schema = {"$ref": f"urn:github{pointer}"}
            validator = OAS30Validator(
                schema, registry=self._registry, format_checker=oas30_format_checker
            )
            self._validators[pointer] = validator
        return [
            f"{'/'.join(str(part) for part in error.absolute_path)}: {error.message[:300]}"
            for error in validator.iter_errors(data)
        ]


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Let null be among the values of what is nullable: GitHub's description forgets it at times.

    So a job in progress, whose `conclusion` is null at GitHub too, is as described.
    """
    values = schema.get("enum")
    if schema.get("nullable") is True and isinstance(values, list) and None not in values:
        values.append(None)
    return schema


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


@cache
def description(folder: Path, name: str = "api.github.com.json") -> Description:
    """Return a description, read once."""
    return Description(folder / "@octokit" / "openapi" / "generated" / name)


class Watcher:
    """Holds every answer of the simulated GitHub to the descriptions.

    Attributes:
        seen: (route, status) of what was held to them.
        objections: all that was found.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.seen: set[tuple[str, int]] = set()
        self.objections: list[str] = []

    def __call__(self, exchange: Exchange) -> None:
        route, answer = exchange.route, exchange.answer
        if route is None or route.door != "rest" or answer.status >= 500:
            return
        found = description(self._folder)
        if not found.knows(route.template):
            found = description(self._folder, "ghec.json")
        data = json.loads(answer.body()) if answer.body() else None
        self.seen.add((route.name, answer.status))
        self.objections += [
            f"{route.name} {answer.status}: {each}"
            for each in found.objections(route.method, route.template, answer.status, data)
        ]
