"""One client's connection: its requests one after another, each answered by one of two doors.

    bytes ─▶ parsing ─▶ a whole request for a hot route ─▶ hot ─┐
                    └─▶ any other ─▶ asgi ─▶ Quart ─────────────┴─▶ the answer, and the next one

A client may be answered before its body has arrived: without a token, with too large a body, after
too long. Such a connection cannot be used again, and is not left to the client either:

    answer, with `Connection: close`  →  read on for a moment  →  close

Reading on, because closing while bytes are on their way resets the connection, and a client that
still sends would then lose the answer.
"""

import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import trio
from trio.abc import HalfCloseableStream, Stream

from runnerhub.api.bodies import FREE_BYTES
from runnerhub.api.hot import HotRoutes, answer
from runnerhub.api.parsing import REFUSALS, Requests, WireRequest
from runnerhub.api.problems import Problem
from runnerhub.api.replies import on_the_wire
from runnerhub.api.stream import ClientStream

# Idle connections, and requests whose head does not arrive, are closed after this.
KEEP_ALIVE_SECONDS = 30.0
# A body that is on its way already is awaited for this long, so that its connection lives on.
SETTLE_SECONDS = 0.25
# For this long an early answer's connection is read, and its bytes are thrown away.
LINGER_SECONDS = 1.0

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# Answers one request by whatever serves all routes; returns whether the connection may be used on.
Door = Callable[["Connection", WireRequest], Awaitable[bool]]


class Connection:
    """One connection.

    Args:
        stream: to the client.
        talk: what is spoken over it: itself, or TLS on top of it.
        hot: the hot routes.
        door: every route.

    Attributes:
        requests: what the client has asked for and was not answered yet.
        last: whether it ends behind the present answer.
    """

    def __init__(self, stream: ClientStream, talk: Stream, hot: HotRoutes, door: Door) -> None:
        self.requests = Requests()
        self.last = False
        self._stream: HalfCloseableStream = stream
        self._cut = stream.cut
        self._talk = talk
        self._hot = hot
        self._door = door
        # Until when a head has to be there; infinite while an answer is made.
        self._head_by = trio.current_time() + KEEP_ALIVE_SECONDS

    async def run(self) -> None:
        """Answer requests until the connection ends."""
        request = await self._next()
        while request is not None:
            self._head_by = math.inf
            if not await self._answered(request) or self.last:
                await self._part(whole=request.ended)
                return
            self._head_by = trio.current_time() + KEEP_ALIVE_SECONDS
            request = await self._next()
        if self.requests.refused is not None:
            await self.refuse(self.requests.refused)
            await self._part(whole=False)

    async def watch(self) -> None:
        """Cut the connection once a head is overdue."""
        now = trio.current_time()
        while now < self._head_by:
            await trio.sleep_until(min(self._head_by, now + KEEP_ALIVE_SECONDS))
            now = trio.current_time()
        self._cut()

    def finish(self) -> None:
        """End it: at once when it is idle, else behind the present answer."""
        self.last = True
        if self._head_by < math.inf:
            self._cut()

    # ------------------------------------------------------------------ for the doors

    async def read(self) -> bool:
        """Take what the client sends next; False when it is gone, or ends."""
        try:
            data = await self._talk.receive_some()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        if not data:
            return False
        self.requests.feed(bytes(data))
        return True

    async def send(self, data: bytes) -> None:
        """Send. Raises trio's errors for a connection that is no more."""
        await self._talk.send_all(data)

    async def refuse(self, status: int) -> None:
        """Answer what is no request."""
        problem = Problem(HTTPStatus(status), REFUSALS[status])
        await self.send(on_the_wire(problem.reply(), keep=False))

    # ------------------------------------------------------------------ inside

    async def _next(self) -> WireRequest | None:
        requests = self.requests
        while not requests.waiting:
            if requests.refused is not None or not await self.read():
                return None
        return requests.waiting.popleft()

    async def _answered(self, request: WireRequest) -> bool:
        if not request.ended and (request.first(b"expect") or b"").lower() == b"100-continue":
            await self.send(CONTINUE)
        route = self._hot.route(request)
        if route is not None and (request.ended or await self._settled(request)):
            reply = await answer(route, request)
            keep = request.keep and not self.last
            await self.send(on_the_wire(reply, keep=keep))
            return keep
        return await self._door(self, request)

    async def _settled(self, request: WireRequest) -> bool:
        """Wait for a body that is small and on its way; tell whether it came whole."""
        with trio.move_on_after(SETTLE_SECONDS):
            while not request.ended and request.size <= FREE_BYTES:
                if self.requests.refused is not None or not await self.read():
                    break
        return request.ended and request.size <= FREE_BYTES

    async def _part(self, *, whole: bool) -> None:
        """Close, in such a way that what was sent arrives."""
        try:
            if not whole or self.requests.refused is not None:
                await self._stream.send_eof()
                with trio.move_on_after(LINGER_SECONDS):
                    while await self._talk.receive_some():
                        pass
            else:
                with trio.move_on_after(LINGER_SECONDS):
                    await self._talk.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
