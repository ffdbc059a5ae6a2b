"""One HTTP/1.1 connection: requests parsed by httptools, answers written to the socket."""

import contextlib
import socket
import struct
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import httptools
import trio

_CHUNK = 65536
_MOST_BODY = 64 << 20
_LINGER_NOT = struct.pack("ii", 1, 0)  # closing then sends a reset

REASONS = {
    101: "UPGRADED",
    200: "OK",
    201: "Created",
    204: "No Content",
    304: "Not Modified",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    500: "Internal Server Error",
    501: "Not Implemented",
}
COMMON = (
    "Api-Version: 1.41\r\nDocker-Experimental: false\r\nOstype: linux\r\n"
    "Server: Docker/sim (linux)\r\n"
)
_HEADS = {
    status: f"HTTP/1.1 {status} {words}\r\n{COMMON}".encode() for status, words in REASONS.items()
}


@lru_cache(maxsize=1024)
def _parsed(query: str) -> Mapping[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True)) if query else {}


class PeerGone(Exception):
    """The other side has closed the connection, or has said what is no HTTP."""


class Request:
    """A request. `path` holds no version and no query."""

    def __init__(self, method: str, target: str, body: bytes, *, keep: bool, upgrade: bool) -> None:
        self.method = method
        self.path, _, self._query = target.partition("?")
        self.body = body
        self.keep = keep
        self.upgrade = upgrade

    @property
    def query(self) -> Mapping[str, str]:
        """Its parameters; of one that is repeated, the last."""
        return _parsed(self._query)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Read a parameter as the engine reads booleans."""
        value = self.query.get(name)
        if value is None:
            return default
        return value.strip().lower() not in {"", "0", "no", "false", "none"}

    def number(self, name: str, default: float) -> float:
        """Read a parameter that is a number; what is none counts as the default."""
        try:
            return float(self.query.get(name, default))
        except ValueError:
            return default


class Connection:
    """One connection. Every method that reads or writes raises PeerGone when it is no more.

    Reading is a checkpoint. Writing is one only where the peer does not keep up: each of trio's
    sockets' writes would cost a turn of its scheduler.

    Attributes:
        unread: bytes behind the last request, or read ahead of their time.
        stalled_seconds: how long the next write is held.
        cut_after: after so many more bytes the connection is reset; None for never.
    """

    def __init__(self, peer: socket.socket) -> None:
        self._socket = peer
        self._parser: Any = httptools.HttpRequestParser(self)
        self._requests: deque[Request] = deque()
        self._target = b""
        self._body: list[bytes] = []
        self._size = 0
        self.unread = b""
        self.stalled_seconds = 0.0
        self.cut_after: int | None = None

    # ------------------------------------------------------------------ httptools calls these

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._target, self._body, self._size = b"", [], 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._target += url

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._size += len(body)
        if self._size <= _MOST_BODY:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """End a request."""
        parser = self._parser
        self._requests.append(
            Request(
                parser.get_method().decode(),
                self._target.decode("utf-8", "replace"),
                b"".join(self._body),
                keep=parser.should_keep_alive(),
                upgrade=parser.should_upgrade(),
            )
        )

    # ------------------------------------------------------------------ reading

    async def request(self) -> Request:
        """Wait for the next request."""
        while not self._requests:
            data = await self.receive()
            if not data:
                raise PeerGone
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self.unread = data[upgrade.args[0] :]
            except httptools.HttpParserError:
                raise PeerGone from None
        return self._requests.popleft()

    async def receive(self) -> bytes:
        """Wait for bytes as they come, b"" at their end."""
        if self.unread:
            data, self.unread = self.unread, b""
            return data
        while True:
            try:
                await trio.lowlevel.wait_readable(self._socket)
                return self._socket.recv(_CHUNK)
            except BlockingIOError:
                continue
            except (OSError, ValueError, trio.ClosedResourceError):
                raise PeerGone from None

    # ------------------------------------------------------------------ writing

    async def send(self, data: bytes) -> None:
        """Write all of it."""
        if self.stalled_seconds:
            seconds, self.stalled_seconds = self.stalled_seconds, 0.0
            await trio.sleep(seconds)
        if self.cut_after is not None:
            self.cut_after -= len(data)
            if self.cut_after < 0:
                await self._send(data[: self.cut_after])
                self.reset()
                raise PeerGone
        await self._send(data)

    async def _send(self, data: bytes) -> None:
        while True:
            try:
                sent = self._socket.send(data)
                if sent == len(data):
                    return
                data = data[sent:]
            except BlockingIOError:
                pass
            except OSError:
                raise PeerGone from None
            try:
                await trio.lowlevel.wait_writable(self._socket)
            except (OSError, ValueError, trio.ClosedResourceError):
                raise PeerGone from None

    async def answer(self, status: int, content_type: str, body: bytes, *, head: bool) -> None:
        """Write a whole answer."""
        start = _HEADS[status]
        if status in (204, 304):
            await self.send(start + b"\r\n")
            return
        start += b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n" % (
            content_type.encode(),
            len(body),
        )
        await self.send(start if head else start + body)

    async def begin_chunks(self, content_type: str, *, whole: bytes | None = None) -> None:
        """Begin an answer of unknown length; with `whole`, write all of it."""
        headers = f"Content-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        end = b"" if whole is None else b"0\r\n\r\n"
        first = b"%x\r\n%b\r\n" % (len(whole), whole) if whole else b""
        await self.send(b"%b%b%b%b" % (_HEADS[200], headers.encode(), first, end))

    async def chunk(self, data: bytes) -> None:
        """Write a piece of an answer of unknown length; b"" is its end."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def hijack(self, content_type: str, *, upgrade: bool) -> None:
        """Turn the connection into a raw stream."""
        if upgrade:
            start = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        else:
            start = _HEADS[200] + b"Connection: close\r\n"
        await self.send(b"%bContent-Type: %b\r\n\r\n" % (start, content_type.encode()))

    def reset(self) -> None:
        """Close so that the peer sees the connection fail, where the transport can say so."""
        if self._socket.fileno() < 0:
            return
        if self._socket.family != socket.AF_UNIX:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.close()

    def close(self) -> None:
        """Close; whoever waits for it sees that the peer is gone. Harmless when repeated."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            # A unix socket that is closed before all is read from it resets its peer.
            with contextlib.suppress(OSError):
                while self._socket.recv(_CHUNK):
                    pass
            self._socket.close()
