"""Serve the application until told to stop.

HTTP/1.1, in the clear or over TLS. A task for each connection answers its requests in turn, so a
client that sends ahead waits for its own answers, not for room in the server.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from runnerhub.api.asgi import AsgiDoor
from runnerhub.api.connection import Connection
from runnerhub.api.hot import HotRoutes
from runnerhub.api.stream import ClientStream

if TYPE_CHECKING:
    from quart_trio import QuartTrio
    from trio.abc import Stream

    from runnerhub.config import Settings

log = structlog.get_logger(__name__)

GRACE_SECONDS = 0.5
BACKLOG = 100


async def serve_api(
    app: "QuartTrio", settings: "Settings", shutdown_trigger: Callable[[], Awaitable[None]]
) -> None:
    """Serve until the trigger returns; requests on their way then have `GRACE_SECONDS`.

    Cancelling it drops the connections.

    Raises:
        OSError: the address cannot be bound.
    """
    tls = _tls(settings)
    hot = HotRoutes(app.config["HUB"], app.config["TOKENS"])
    scheme = "https" if tls else "http"
    present: set[Connection] = set()

    async def handle(accepted: trio.SocketStream) -> None:
        stream = ClientStream(socket.socket(fileno=accepted.socket.detach()))
        talk: Stream = _encrypted(stream, tls) if tls else stream
        connection = Connection(stream, talk, hot, AsgiDoor(app, scheme, stream.peer()))
        present.add(connection)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(connection.watch)
                await connection.run()
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client's doing
        except* Exception as errors:  # noqa: BLE001 - whatever it is, it ends this one alone
            log.warning("connection dropped", action="connection_dropped", why=repr(errors))
        finally:
            present.discard(connection)
            stream.cut()

    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as doors:
            listening = partial(trio.serve_listeners, handler_nursery=connections)
            doors.start_soon(listening, handle, await _listeners(settings.bind))
            await shutdown_trigger()
            doors.cancel_scope.cancel()
        connections.cancel_scope.deadline = trio.current_time() + GRACE_SECONDS
        for connection in tuple(present):
            connection.finish()


async def _listeners(bind: str) -> list[trio.SocketListener]:
    host, _, port = bind.rpartition(":")
    return await trio.open_tcp_listeners(int(port), host=host.strip("[]"), backlog=BACKLOG)


def _tls(settings: "Settings") -> ssl.SSLContext | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _encrypted(stream: ClientStream, context: ssl.SSLContext) -> trio.SSLStream[ClientStream]:
    return trio.SSLStream(stream, context, server_side=True, https_compatible=True)
