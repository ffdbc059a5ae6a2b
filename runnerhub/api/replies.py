"""An answer as a value, and as the bytes that go over the wire."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer.

    Attributes:
        headers: beside the content's type and length.
    """

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def on_the_wire(reply: Reply, *, keep: bool) -> bytes:
    """Return an answer as bytes; without `keep` it says that the connection ends."""
    headers = [
        (b"content-type", reply.content_type.encode("latin-1")),
        (b"content-length", b"%d" % len(reply.body)),
        *((k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in reply.headers.items()),
    ]
    if not keep:
        headers.append((b"connection", b"close"))
    return head(reply.status, headers) + reply.body


def head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of an answer, with the date."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    return b"%b%bdate: %b\r\n\r\n" % (_status_line(status), lines, _date(int(time.time())))


@lru_cache(maxsize=128)
def _status_line(status: int) -> bytes:
    try:
        words = HTTPStatus(status).phrase
    except ValueError:
        words = ""
    return f"HTTP/1.1 {status} {words}\r\n".encode()


@lru_cache(maxsize=2)
def _date(at: int) -> bytes:
    return formatdate(at, usegmt=True).encode()
