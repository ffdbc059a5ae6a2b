"""What a request brings, read in one way only, or refused.

Two programs that read one body differently are a way past whatever stands between them. So what
JSON and HTTP leave open is closed here: a name stands once in an object, and the length of a body
is told in one way.
"""

import codecs
import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import cast

from pydantic import ValidationError
from quart import request
from werkzeug.datastructures import MultiDict

from runnerhub.api.problems import Problem, invalid, unprocessable
from runnerhub.api.schemas import DelegateBody
from runnerhub.model.job import JobSpec
from runnerhub.model.pool import Pool

MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


async def sound_framing() -> None:
    """Refuse a request whose body has two lengths, and its connection with it. Raises Problem."""
    if "Content-Length" in request.headers and "Transfer-Encoding" in request.headers:
        words = "send Content-Length or Transfer-Encoding, not both"
        raise Problem(HTTPStatus.BAD_REQUEST, words, headers={"Connection": "close"})


def parameters(*known: str) -> MultiDict[str, str]:
    """Return the query's parameters, each known and there once. Raises Problem."""
    for name, values in request.args.lists():
        if name not in known:
            raise Problem(HTTPStatus.BAD_REQUEST, f"{name[:100]} is no parameter here")
        if len(values) > 1:
            raise Problem(HTTPStatus.BAD_REQUEST, f"{name} must be given once")
    return request.args


async def read_json() -> bytes:
    """Return a body that says it is JSON, as it came. Raises Problem, and what bounds a body."""
    if not request.is_json:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "send it without Content-Encoding",
            headers={"Accept-Encoding": "identity"},
        )
    return cast("bytes", await request.get_data())


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
    _refuse_doubles(raw)
    try:
        return body.spec(pool_of(body.labels))
    except ValueError as error:
        raise unprocessable(str(error)) from None


def _refuse_doubles(raw: bytes) -> None:
    # Only what has passed the schema comes here, so neither depth nor size can hurt.
    def once(pairs: list[tuple[str, object]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise _no_json("a name stands twice in an object")

    json.loads(raw, object_pairs_hook=once)


def _no_json(why: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, f"no JSON: {why}")
