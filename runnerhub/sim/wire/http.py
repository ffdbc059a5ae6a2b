"""One HTTP/1.1 connection: requests parsed by httptools, answers written to the socket."""

import struct
from collections import deque
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import httptools
import trio
from trio.socket import SocketType

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
_HEADS = {status: f"HTTP/1.1 {status} {words}\r\n{COMMON}" for status, words in REASONS.items()}


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

    @cached_property
    def query(self) -> dict[str, str]:
        """Its parameters; of one that is repeated, the last."""
        return dict(parse_qsl(self._query, keep_blank_values=True)) if self._query else {}

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

    Attributes:
        unread: bytes behind the last request, or read ahead of their time.
        stalled_seconds: how long the next write is held.
        cut_after: after so many more bytes the connection is reset; None for never.
    """

    def __init__(self, socket: SocketType) -> None:
        self._socket = socket
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
        try:
            return await self._socket.recv(_CHUNK)
        except (OSError, trio.ClosedResourceError):
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
        try:
            sent = await self._socket.send(data)
            while sent < len(data):
                data = data[sent:]
                sent = await self._socket.send(data)
        except (OSError, trio.ClosedResourceError):
            raise PeerGone from None

    async def answer(self, status: int, content_type: str, body: bytes, *, head: bool) -> None:
        """Write a whole answer."""
        start = _HEADS[status]
        if status in (204, 304):
            await self.send(f"{start}\r\n".encode())
            return
        start += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        await self.send(start.encode() if head else start.encode() + body)

    async def begin_chunks(self, content_type: str) -> None:
        """Begin an answer of unknown length."""
        headers = f"Content-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        await self.send((_HEADS[200] + headers).encode())

    async def chunk(self, data: bytes) -> None:
        """Write a piece of an answer of unknown length; b"" is its end."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def hijack(self, content_type: str, *, upgrade: bool) -> None:
        """Turn the connection into a raw stream."""
        if upgrade:
            start = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        else:
            start = f"{_HEADS[200]}Connection: close\r\n"
        await self.send(f"{start}Content-Type: {content_type}\r\n\r\n".encode())

    def reset(self) -> None:
        """Close so that the peer sees the connection fail, where the transport can say so."""
        if self._socket.family != trio.socket.AF_UNIX:
            self._socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, _LINGER_NOT)
        self._socket.close()
