"""Serve the application until told to stop.

hypercorn speaks HTTP on each connection. Accepting is done here, so that a connection that crashes
it ends alone: hypercorn's own loop falls as a whole when one of its connections does.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from runnerhub.api.stream import ClientStream

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from runnerhub.config import Settings

log = structlog.get_logger(__name__)

# Idle connections, and requests whose head does not arrive, are closed after this.
KEEP_ALIVE_SECONDS = 30.0
GRACE_SECONDS = 0.5


async def serve_api(
    app: "QuartTrio", settings: "Settings", shutdown_trigger: Callable[[], Awaitable[None]]
) -> None:
    """Serve until the trigger returns; requests on their way then have `GRACE_SECONDS`.

    Cancelling it drops the connections.

    Raises:
        OSError: the address cannot be bound.
    """
    config = _config(settings)
    context = WorkerContext(None)
    serve = partial(TCPServer, ASGIWrapper(app), config, context)
    tls = config.create_ssl_context()

    async def handle(inner: trio.SocketStream) -> None:
        stream = ClientStream(inner)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.watch)
            state = ConnectionState({"stream": stream})
            talk: Any = _encrypted(stream, tls) if tls else stream
            try:
                await serve(state, talk)
            except* Exception as errors:  # noqa: BLE001 - whatever it is, it ends this one alone
                log.warning("connection dropped", action="connection_dropped", why=repr(errors))
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as doors:
            listening = partial(trio.serve_listeners, handler_nursery=connections)
            doors.start_soon(listening, handle, _listeners(config))
            await shutdown_trigger()
            doors.cancel_scope.cancel()
        await context.terminated.set()
        connections.cancel_scope.deadline = trio.current_time() + GRACE_SECONDS


def _config(settings: "Settings") -> Config:
    config = Config()
    config.bind = [settings.bind]
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.h11_max_incomplete_size = 64 * 1024
    config.include_server_header = False
    config.alpn_protocols = ["http/1.1"]
    if settings.tls_cert is not None and settings.tls_key is not None:
        config.certfile = str(settings.tls_cert)
        config.keyfile = str(settings.tls_key)
    return config


def _listeners(config: Config) -> list[trio.SocketListener]:
    sockets = config.create_sockets()
    found = [*sockets.secure_sockets, *sockets.insecure_sockets]
    for each in found:
        each.listen(config.backlog)
    return [trio.SocketListener(trio.socket.from_stdlib_socket(each)) for each in found]


def _encrypted(stream: ClientStream, context: SSLContext) -> trio.SSLStream[ClientStream]:
    return trio.SSLStream(stream, context, server_side=True, https_compatible=True)
