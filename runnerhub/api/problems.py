"""Errors as problem details (RFC 9457), each with the field and the mend where there is one."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from pydantic import ValidationError
from pydantic_core import to_json
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from runnerhub.api.replies import Reply
from runnerhub.ports.errors import Unavailable
from runnerhub.ports.hub import Overloaded

log = structlog.get_logger(__name__)

Detail = Mapping[str, str]

MOST_ERRORS = 100
LONGEST_FIELD = 200


class Problem(Exception):
    """An answer other than success."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Sequence[Detail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    def reply(self) -> Reply:
        """Return the answer."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return Reply(
            self.status.value, to_json(body), "application/problem+json", headers=self.headers
        )


def reply_to(error: Exception) -> Reply:
    """Return the answer to whoever meets an error. One that is ours goes to the log."""
    match error:
        case Problem():
            return error.reply()
        case Overloaded():
            return busy(str(error), error.retry_after_seconds).reply()
        case Unavailable():
            return busy(str(error), 2).reply()
        case HTTPException():
            return _of_http(error).reply()
        case _:
            log.error("request failed", action="request_failed", exc_info=error)
            words = "RunnerHub made a mistake; its log says which"
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, words).reply()


def _of_http(error: HTTPException) -> Problem:
    code = HTTPStatus(error.code or 500)
    headers = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return Problem(code, error.description or code.phrase, headers=headers)


def not_found(what: str) -> Problem:
    """Return the problem of a thing that is not there."""
    return Problem(HTTPStatus.NOT_FOUND, f"there is no {what}")


def busy(why: str, retry_after_seconds: int = 1) -> Problem:
    """Return the problem of a service that cannot just now."""
    headers = {"Retry-After": str(retry_after_seconds)}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, why, headers=headers)


def unprocessable(words: str) -> Problem:
    """Return the problem of one field; the words are of the form `field: what is wrong`."""
    field, _, message = words.partition(": ")
    errors = [{"field": field, "message": message}]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, words, errors)


def invalid(error: ValidationError) -> Problem:
    """Return the problem of a body that breaks the rules, field by field while they are few."""
    if error.error_count() > MOST_ERRORS:
        words = f"body: breaks the rules in {error.error_count()} places, too many to name"
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, words)
    errors = [
        {
            "field": ".".join(str(part) for part in each["loc"])[:LONGEST_FIELD] or "body",
            "message": each["msg"].removeprefix("Value error, "),
        }
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    first = errors[0]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{first['field']}: {first['message']}", errors)
