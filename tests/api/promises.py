"""Hold every answer to what the served description promises of its route."""

import json
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from quart import Response
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

from runnerhub.api.openapi import describe


def strict(schema: Any) -> Any:
    """Return a schema that allows no property it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found = {"additionalProperties": False} | found
    return found


SCHEMAS = strict(describe()["components"])


def documented(rule: str) -> str:
    named = rule.replace("<", "{").replace(">", "}")
    return named.replace("job_id", "id").replace("number", "id")


class Promises:
    """Check answers, and remember what was seen: (path, method, status)."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str, int]] = set()

    async def check(self, app: QuartTrio, method: str, path: str, answer: Response) -> None:
        """Fail when an answer of a documented route is not as documented."""
        place = self._place(app.url_map, method, unquote(path.partition("?")[0]))
        if place is None:
            return
        responses = describe()["paths"][place][method.lower()]["responses"]
        code = str(answer.status_code)
        assert code in responses, f"{method} {place} answered {code}, which it does not declare"
        self.seen.add((place, method.lower(), answer.status_code))
        promised = responses[code]
        kind = str(answer.content_type).partition(";")[0]
        assert kind in promised["content"]
        for header in promised.get("headers", {}):
            assert header in answer.headers
        schema = promised["content"][kind].get("schema")
        if schema is not None:
            whole = {**schema, "components": SCHEMAS}
            Draft202012Validator(whole).validate(json.loads(await answer.get_data()))

    @staticmethod
    def _place(routes: Map, method: str, path: str) -> str | None:
        try:
            rule, _ = routes.bind("localhost").match(path, method, return_rule=True)
        except HTTPException:
            return None
        return documented(rule.rule)
