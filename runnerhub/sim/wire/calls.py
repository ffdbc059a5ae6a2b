"""A request on its way to its handler, and the ways to answer it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from runnerhub.sim.engine import SimEngine
from runnerhub.sim.refusals import BadParameter
from runnerhub.sim.wire.encoding import encode
from runnerhub.sim.wire.http import Connection, PeerGone, Request

JSON = "application/json"
RAW_STREAM = "application/vnd.docker.raw-stream"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `body`: what becomes JSON; bytes are sent as they are."""

    status: int = 200
    body: Any = None
    content_type: str = JSON

    async def write(self, connection: Connection, *, head: bool) -> None:
        """Write it."""
        is_bytes = isinstance(self.body, bytes)
        data = self.body if is_bytes else f"{encode(self.body)}\n".encode()
        await connection.answer(self.status, self.content_type, data, head=head)


@dataclass(slots=True)
class Call:
    """A request.

    Attributes:
        name: what its path names, such as a container.
        began: whether an answer has begun: then errors can no more be said.
        hijacked: whether the connection is a raw stream now.
    """

    engine: SimEngine
    connection: Connection
    request: Request
    name: str = ""
    began: bool = False
    hijacked: bool = False

    def json(self) -> dict[str, Any]:
        """Return the body.

        Raises:
            BadParameter: it is no JSON object.
        """
        if not self.request.body:
            return {}
        try:
            found = json.loads(self.request.body)
        except ValueError as error:
            raise BadParameter(f"invalid JSON: {error}") from None
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise BadParameter("invalid JSON: an object is needed")
        return found

    async def whole(self, content_type: str, data: bytes) -> None:
        """Answer as piece by piece, with one piece that is all."""
        self.began = True
        await self.connection.begin_chunks(content_type, whole=data)

    @asynccontextmanager
    async def chunks(self, content_type: str = JSON) -> AsyncIterator["Chunks"]:
        """Answer piece by piece, until the block ends or the peer has gone."""
        self.began = True
        await self.connection.begin_chunks(content_type)
        async with self.watched(self._watch):
            yield Chunks(self.connection)
        await self.connection.chunk(b"")

    async def _watch(self) -> None:
        early = await self.connection.receive()
        if not early:
            raise PeerGone
        self.connection.unread = early

    @asynccontextmanager
    async def watched(self, watch: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Run something beside the block; what it raises ends the block, not its end."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch)
                yield
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def hijack(self) -> None:
        """Turn the connection into a raw stream."""
        self.began = self.hijacked = True
        await self.connection.hijack(RAW_STREAM, upgrade=self.request.upgrade)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    # Where several tasks of a nursery fail, one failure tells enough; a cancel tells least.
    inside = [
        _first(each) if isinstance(each, BaseExceptionGroup) else each for each in group.exceptions
    ]
    return next((each for each in inside if not isinstance(each, trio.Cancelled)), inside[0])


class Chunks:
    """An answer of unknown length."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def send(self, data: bytes) -> None:
        """Write a piece; nothing is no piece."""
        if data:
            await self._connection.chunk(data)

    async def json(self, item: Any) -> None:  # noqa: ANN401
        """Write an item of a stream of JSON."""
        await self.send(f"{encode(item)}\n".encode())


Handler = Callable[[Call], Awaitable[Answer | None]]
