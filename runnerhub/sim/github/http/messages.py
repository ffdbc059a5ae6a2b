"""A request and its answer."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

from pydantic import BaseModel, ValidationError

from runnerhub.sim.github.refusals import Refusal, invalid

Model = TypeVar("Model", bound=BaseModel)
JSON = "application/json; charset=utf-8"
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(eq=False)
class Request:
    """A request. Names of `headers` are in lower case; `target` is path and query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        """Return its path, as it is sent."""
        return self.target.partition("?")[0]

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """Return the parts of its path, decoded, without the prefix of an Enterprise Server."""
        parts = tuple(unquote(part) for part in self.path.strip("/").split("/"))
        return parts[2:] if parts[:2] == ("api", "v3") else parts

    @cached_property
    def query(self) -> dict[str, str]:
        """Return its parameters; of one that is repeated, the last."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    def number(self, name: str, default: int) -> int:
        """Return a parameter that is a number; the default when it is none."""
        text = self.query.get(name, "")
        return int(text) if text.isdecimal() else default

    def json(self) -> Any:  # noqa: ANN401 - JSON
        """Return the body.

        Raises:
            Refusal: 400, it is no JSON.
        """
        if not self.body:
            return {}
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refusal(400, "Problems parsing JSON") from None

    def object(self) -> dict[str, Any]:
        """Return the body, an object.

        Raises:
            Refusal: 400, it is none.
        """
        found = self.json()
        if not isinstance(found, dict):
            raise Refusal(400, "Body should be a JSON object")
        return found

    def parse(self, model: type[Model]) -> Model:
        """Return the body as a model.

        Raises:
            Refusal: 422, it does not fit; 400, it is no JSON.
        """
        try:
            return model.model_validate(self.object())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise invalid(f"{where}: {first['msg']}") from None


@dataclass(slots=True)
class Answer:
    """An answer. `data` becomes JSON; None is no body; bytes are sent as they are.

    Attributes:
        lost: the connection is dropped in its stead.
    """

    status: int = 200
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    _body: bytes | None = None

    def body(self) -> bytes:
        """Return its bytes."""
        if self._body is None:
            if self.data is None or self.status in (204, 304):
                self._body = b""
            elif isinstance(self.data, bytes):
                self._body = self.data
            else:
                self._body = _encode(self.data).encode()
        return self._body
