"""A client for one host that does little else than send: several times what a node can answer.

Every connection sends its next request when the answer to the last is there, and is opened again
when the server closes it. Needs `Content-Length` in each answer.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

from bench.measure import percentile

T = TypeVar("T")

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass(slots=True)
class Answers:
    """What came back."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    broken: int = 0  # connections lost while a request was under way

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def milliseconds(self, percent: float) -> float:
        """Return a percentile of the latencies."""
        return percentile(self.latencies, percent) * 1000

    def expect(self, *statuses: int) -> None:
        """Raise unless every answer had one of these statuses."""
        if self.broken or set(self.statuses) - set(statuses):
            raise RuntimeError(f"not what was expected: {self.statuses}, {self.broken} broken")


def request(
    method: str, path: str, *, token: str = "", body: bytes = b"", host: str = "localhost"
) -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
    if token:
        lines.append(f"authorization: Bearer {token}")
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Load:
    """So many connections, for so long."""

    def __init__(self, host: str, port: int, requests: Iterator[bytes]) -> None:
        self._address = (host, port)
        self._requests = requests
        self._answers = Answers()
        self._over = False
        self._open: set[_Connection] = set()
        self._opening: set[asyncio.Task[Any]] = set()

    async def run(self, connections: int, seconds: float, warm_up: float = 0.5) -> Answers:
        """Send for a while; what is answered in the warm-up is not counted."""
        for _ in range(connections):
            await self._connect()
        await asyncio.sleep(warm_up)
        answers = self._answers = Answers()
        began = perf_counter()
        await asyncio.sleep(seconds)
        self._answers, self._over = Answers(), True
        answers.seconds = perf_counter() - began
        for connection in tuple(self._open):
            connection.transport.close()
        await asyncio.sleep(0)
        return answers

    def begin(self, connection: "_Connection") -> None:
        """A connection is open."""
        self._open.add(connection)
        connection.send(next(self._requests))

    def answered(self, status: int, seconds: float) -> bytes | None:
        """Count an answer, and return the next request; None when it is over."""
        self._answers.statuses[status] += 1
        self._answers.latencies.append(seconds)
        return None if self._over else next(self._requests)

    def closed(self, connection: "_Connection", *, under_way: bool) -> None:
        """Open a connection again."""
        self._open.discard(connection)
        self._answers.broken += under_way
        if not self._over:
            opening = asyncio.ensure_future(self._connect())
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        await asyncio.get_running_loop().create_connection(
            lambda: _Connection(self), *self._address
        )


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""
        self._sent_at = 0.0
        self._under_way = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._load.begin(self)

    def send(self, data: bytes) -> None:
        self._sent_at = perf_counter()
        self._under_way = True
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = _LENGTH.search(head)
        if length is None:
            raise RuntimeError(f"an answer without a length: {head!r}")
        if len(body) < int(length[1]):
            return
        self._received = b""
        self._under_way = False
        seconds = perf_counter() - self._sent_at
        following = self._load.answered(int(head[9:12]), seconds)
        if following is None or _CLOSE.search(head):
            self.transport.close()
        else:
            self.send(following)

    def connection_lost(self, _: Exception | None) -> None:
        self._load.closed(self, under_way=self._under_way)


def run_client(work: Coroutine[Any, Any, T]) -> T:
    """Run the client on the fastest loop that is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
