"""Connections: HTTP/1.1 by h11, on trio."""

import contextlib
import socket
import struct
from http import HTTPStatus

import h11
import trio

from runnerhub.sim.github.http.messages import Answer, Request
from runnerhub.sim.github.http.site import Site

_CHUNK = 65536
_MOST_BODY = 32 << 20
_IDLE_SECONDS = 120.0
_RESET = struct.pack("ii", 1, 0)  # closing then sends a reset


class _Gone(Exception):
    """The other side is gone."""


class Door:
    """Serves a site on connections."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve a connection until its end."""
        connection = h11.Connection(h11.SERVER)
        try:
            async with stream:
                while await self._one(stream, connection):
                    connection.start_next_cycle()
        except (_Gone, h11.ProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def _one(self, stream: trio.SocketStream, connection: h11.Connection) -> bool:
        request = await _read(stream, connection)
        answer = await self._answer(stream, connection, request)
        if answer is None:
            return False
        if answer.lost:
            with contextlib.suppress(OSError):
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        await _write(stream, connection, request, answer)
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE

    async def _answer(
        self, stream: trio.SocketStream, connection: h11.Connection, request: Request
    ) -> Answer | None:
        """Answer; give up when the caller is gone, so that nothing is handed to nobody."""
        answer = None
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    data = await stream.receive_some(_CHUNK)
                    connection.receive_data(data)
                    if data:
                        await trio.sleep_forever()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            answer = await self._site.answer(request)
            nursery.cancel_scope.cancel()
        return answer


async def _read(stream: trio.SocketStream, connection: h11.Connection) -> Request:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await _send(stream, connection, go_on)
            data = b""
            with trio.move_on_after(_IDLE_SECONDS):
                data = await stream.receive_some(_CHUNK)
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _MOST_BODY:
                raise _Gone
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {
                name.decode().lower(): value.decode("latin-1") for name, value in head.headers
            }
            return Request(
                head.method.decode(), head.target.decode("latin-1"), headers, bytes(body)
            )
        else:
            raise _Gone


async def _write(
    stream: trio.SocketStream, connection: h11.Connection, request: Request, answer: Answer
) -> None:
    body = answer.body()
    headers = [*answer.headers.items(), ("content-length", str(len(body)))]
    if answer.status in (204, 304):
        headers.pop()
    reason = HTTPStatus(answer.status).phrase.encode()
    response = h11.Response(status_code=answer.status, headers=headers, reason=reason)
    out = connection.send(response) or b""
    if body and request.method != "HEAD":
        out += connection.send(h11.Data(data=body)) or b""
    out += connection.send(h11.EndOfMessage()) or b""
    await stream.send_all(out)


async def _send(
    stream: trio.SocketStream, connection: h11.Connection, event: h11.InformationalResponse
) -> None:
    await stream.send_all(connection.send(event) or b"")
