"""A client that sends at given times, whether or not earlier answers are there."""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.load import request, run_client

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
BUFFER = 1 << 22


@dataclass(frozen=True, slots=True)
class Door:
    """Where a node answers."""

    host: str
    port: int
    token: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, with the seconds it took."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> Any:  # noqa: ANN401 - it is whatever was sent
        """Return the body as what it stands for."""
        return json.loads(self.body)


class _Kept(asyncio.Protocol):
    """A connection that asks one thing after the other. Streams would cost more than twice."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.over = False

    def ask(self, data: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Send a request; status and body come. Fails with ConnectionError."""
        self._answer = asyncio.get_running_loop().create_future()
        if self.over:
            self._answer.set_exception(ConnectionResetError())
        else:
            self.transport.write(data)
        return self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head, body = self._received[: end + 4], self._received[end + 4 :]
        length = _LENGTH.search(head)
        if length is not None and len(body) < int(length[1]):
            return
        self._received = b""
        if _CLOSE.search(head):
            self.over = True
            self.transport.close()
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result((int(head[9:12]), body))

    def connection_lost(self, _: Exception | None) -> None:
        self.over = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError())


class Client:
    """Connections that are kept, as many as are needed at once."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._idle: list[_Kept] = []

    def encode(self, method: str, path: str, body: object = None) -> bytes:
        """Return a request as it goes over the wire."""
        raw = json.dumps(body).encode() if body is not None else b""
        data = request(method, path, token=self._door.token, body=raw)
        if method == "POST" and not raw:
            data = data.replace(b"\r\n\r\n", b"\r\ncontent-length: 0\r\n\r\n", 1)
        return data

    async def send(self, method: str, path: str, body: object = None) -> Answer:
        """Send a request, and return its answer. Raises OSError."""
        return await self.send_encoded(self.encode(method, path, body))

    async def send_encoded(self, data: bytes) -> Answer:
        """The same, of what `encode` has returned."""
        began = time.perf_counter()
        while True:
            reused = bool(self._idle)
            kept = self._idle.pop() if reused else await self._open()
            try:
                status, body = await kept.ask(data)
                break
            except ConnectionError:
                # The node closes what was idle for long, perhaps as we write.
                if not reused:
                    raise
        seconds = time.perf_counter() - began
        if not kept.over:
            self._idle.append(kept)
        return Answer(status, body, seconds)

    async def follow(self, job_id: str) -> float | None:
        """Follow a log to its end; return when its first byte came, in Unix seconds."""
        reader, writer = await self._connect()
        path = f"/api/jobs/{job_id}/logs?follow=true"
        writer.write(request("GET", path, token=self._door.token))
        await reader.readuntil(b"\r\n\r\n")
        first: float | None = None
        while piece := await reader.read(1 << 16):
            first = first or (time.time() if not piece.startswith(b"0\r\n") else None)
            if piece.endswith(b"0\r\n\r\n"):
                break
        writer.close()
        return first

    async def close(self) -> None:
        """Close what is idle."""
        for kept in self._idle:
            kept.transport.close()
        self._idle.clear()

    async def _open(self) -> _Kept:
        loop = asyncio.get_running_loop()
        _, kept = await loop.create_connection(_Kept, self._door.host, self._door.port)
        return kept

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._door.host, self._door.port, limit=BUFFER)


async def _delegate(client: Client, data: bytes, refusals: list[float]) -> Answer:
    """Delegate a job, again and again while the node says that it is overrun, as the API asks."""
    while True:
        answer = await client.send_encoded(data)
        if answer.status in (200, 201):
            return answer
        if answer.status != 503:
            raise RuntimeError(f"not accepted: {answer.status} {answer.body[:300]!r}")
        refusals.append(time.time())
        await asyncio.sleep(1.0)


async def _submit(
    door: Door, bodies: Iterable[object], clients: int, refusals: list[float]
) -> list[str]:
    # JSON before and after, so that it takes no time of the node while that is measured.
    client = Client(door)
    left = iter([client.encode("POST", "/api/jobs/delegate", body) for body in bodies])
    answers: list[Answer] = []

    async def work() -> None:
        for data in left:
            answers.append(await _delegate(client, data, refusals))  # noqa: PERF401

    await asyncio.gather(*(work() for _ in range(clients)))
    await client.close()
    return [str(answer.json()["id"]) for answer in answers]


def submit(
    door: Door,
    bodies: Iterable[object],
    clients: int = 16,
    refusals: list[float] | None = None,
) -> list[str]:
    """Delegate jobs as fast as so many clients can; return their ids.

    Args:
        door: where.
        bodies: the jobs.
        clients: how many wait for an answer at once.
        refusals: gets the time of each 503; the job is sent again a second later.
    """
    return run_client(_submit(door, bodies, clients, [] if refusals is None else refusals))


async def _arrive(door: Door, bodies: Sequence[object], rate: float) -> list[float]:
    client, tasks, dice = Client(door), [], random.Random(7)  # noqa: S311 - the same each time
    loop = asyncio.get_running_loop()
    encoded = [client.encode("POST", "/api/jobs/delegate", body) for body in bodies]
    at = loop.time()
    for data in encoded:
        at += dice.expovariate(rate)
        await asyncio.sleep(max(0.0, at - loop.time()))
        tasks.append(asyncio.ensure_future(client.send_encoded(data)))
    answers = await asyncio.gather(*tasks)
    await client.close()
    if refused := [answer for answer in answers if answer.status not in (200, 201)]:
        raise RuntimeError(f"{len(refused)} not accepted: {refused[0].body[:300]!r}")
    return [answer.seconds for answer in answers]


def arrive(door: Door, bodies: Sequence[object], rate: float) -> list[float]:
    """Delegate jobs at random times, so many a second on average; return the answers' seconds."""
    return run_client(_arrive(door, bodies, rate))


async def send_all(
    client: Client, paths: Iterable[str], at_once: int = 16
) -> AsyncIterator[Answer]:
    """Post to many paths, so many at once."""
    waiting = list(paths)
    for start in range(0, len(waiting), at_once):
        few = waiting[start : start + at_once]
        for answer in await asyncio.gather(*(client.send("POST", path) for path in few)):
            yield answer
