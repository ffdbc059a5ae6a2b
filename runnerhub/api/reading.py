"""What a request brings, read in one way only, or refused.

Two programs that read one body differently are a way past whatever stands between them. So what
JSON leaves open is closed here: a name stands once in an object. What HTTP leaves open is closed in
`parsing`.
"""

import codecs
import json
from collections.abc import Callable, Iterable
from http import HTTPStatus

from pydantic import ValidationError
from quart import request
from werkzeug.datastructures import MultiDict

from runnerhub.api.problems import Problem, invalid, unprocessable
from runnerhub.api.schemas import DelegateBody
from runnerhub.model.job import JobSpec
from runnerhub.model.pool import Pool

MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def parameters(*known: str) -> MultiDict[str, str]:
    """Return the query's parameters, each known and there once. Raises Problem."""
    for name, values in request.args.lists():
        if name not in known:
            raise Problem(HTTPStatus.BAD_REQUEST, f"{name[:100]} is no parameter here")
        if len(values) > 1:
            raise Problem(HTTPStatus.BAD_REQUEST, f"{name} must be given once")
    return request.args


def refuse_other_types(content_type: str | None, encoding: str | None) -> None:
    """Refuse a body that does not say it is JSON, as it is. Raises Problem."""
    if not _is_json(content_type or ""):
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
    if (encoding or "identity").lower() != "identity":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "send it without Content-Encoding",
            headers={"Accept-Encoding": "identity"},
        )


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def read_job(raw: bytes, pool_of: Callable[[Iterable[str]], Pool]) -> JobSpec:
    """Return the job that a body asks for. Raises Problem, whatever the bytes are.

    Args:
        raw: the body.
        pool_of: finds the pool of the job's labels.
    """
    if raw.startswith(MARKS):
        raise _no_json("it must be UTF-8 without a byte order mark")
    try:
        body = DelegateBody.model_validate_json(raw)
    except ValidationError as error:
        if error.error_count() == 1 and error.errors()[0]["type"] == "json_invalid":
            raise _no_json(error.errors()[0]["msg"]) from None
        raise invalid(error) from None
    # Only what has passed the schema comes here, so neither depth nor size can hurt.
    _DOUBLES.decode(raw.decode())
    try:
        return body.spec(pool_of(body.labels))
    except ValueError as error:
        raise unprocessable(str(error)) from None


def _once(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _no_json("a name stands twice in an object")


_DOUBLES = json.JSONDecoder(object_pairs_hook=_once)


def _no_json(why: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, f"no JSON: {why}")
