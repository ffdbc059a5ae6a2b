"""Bytes to requests, by httptools' parser and a few rules of our own on top of it.

Two programs that frame one request differently are a way past whatever stands between them. The
parser refuses what leaves a length open; here follows what it leaves to its caller.
"""

from collections import deque
from typing import Any

import httptools

# Of a head, and of whatever else comes without bringing the request forward.
HEAD_BYTES = 64 * 1024

BAD, TOO_LARGE, NOT_IMPLEMENTED = 400, 431, 501
REFUSALS = {
    BAD: "this is no HTTP request that can be served",
    TOO_LARGE: "the head of the request is larger than 64 KiB",
    NOT_IMPLEMENTED: "no transfer coding but chunked is known here",
}


class Malformed(Exception):
    """What came is no request that can be served; `status` is the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class WireRequest:
    """A request whose head has come.

    Attributes:
        target: as it came, ASCII.
        headers: names in lower case, in order.
        parts: what has come of its body and was not taken yet.
        size: bytes that have come of its body.
        ended: whether its body has come whole.
        keep: whether the connection may be used again behind it.
    """

    __slots__ = ("ended", "headers", "keep", "method", "parts", "size", "target", "version")

    def __init__(self, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.target = target
        self.headers = headers
        self.method = self.version = ""
        self.parts: list[bytes] = []
        self.size = 0
        self.ended = False
        self.keep = False

    def first(self, name: bytes) -> bytes | None:
        """Return the first header of a name in lower case."""
        for each, value in self.headers:
            if each == name:
                return value
        return None

    def all(self, name: bytes) -> list[bytes]:
        """Return every header of a name in lower case."""
        return [value for each, value in self.headers if each == name]

    def take_body(self) -> bytes:
        """Return what has come of the body since the last call."""
        parts, self.parts = self.parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Requests:
    """The requests of one connection, as they come.

    Attributes:
        waiting: those whose head has come, oldest first.
        refused: the status for what is no request; it stands behind those that wait.
    """

    def __init__(self) -> None:
        self.waiting: deque[WireRequest] = deque()
        self.refused: int | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._present: WireRequest | None = None
        self._idle_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take bytes. What is no request sets `refused`, and nothing is taken any more."""
        if self.refused is not None:
            return
        self._idle_bytes += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refused = cause.status if isinstance(cause, Malformed) else BAD
        else:
            if self._idle_bytes > HEAD_BYTES:
                self.refused = TOO_LARGE

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # Nothing is upgraded to here, so the next request follows.
                data = data[upgrade.args[0] :]
            else:
                return

    # ------------------------------------------------------------------ the parser calls these

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._target, self._headers = b"", []

    def on_url(self, part: bytes) -> None:
        """Take a part of the target."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those behind a body go to nobody."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """A head has come whole."""
        parser = self._parser
        request = WireRequest(self._target, self._headers)
        self._headers = []
        request.method = parser.get_method().decode()
        request.version = parser.get_http_version()
        request.keep = request.version == "1.1" and parser.should_keep_alive()
        _check(request)
        self._idle_bytes = 0
        self._present = request
        self.waiting.append(request)

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        if self._present is not None:
            self._present.parts.append(part)
            self._present.size += len(part)
            self._idle_bytes = 0

    def on_message_complete(self) -> None:
        """A request has come whole."""
        if self._present is not None:
            self._present.ended = True
            self._present = None
        self._idle_bytes = 0


def _check(request: WireRequest) -> None:
    codings, hosts, upgrade = [], 0, b""
    for name, value in request.headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            codings.append(value.strip().lower())
        elif name == b"upgrade":
            upgrade = value
    if codings and codings != [b"chunked"]:
        raise Malformed(NOT_IMPLEMENTED)
    least = 1 if request.version == "1.1" else 0
    if not least <= hosts <= 1 or request.version not in {"1.1", "1.0"}:
        raise Malformed(BAD)
    if request.method == "CONNECT" or upgrade.lower() == b"websocket":
        raise Malformed(BAD)  # what follows would be no HTTP
    if not request.target.isascii():
        raise Malformed(BAD)
