"""Serve the application until told to stop."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from hypercorn.config import Config
from hypercorn.trio import serve

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from runnerhub.config import Settings

# Idle connections, and requests whose head does not arrive, are closed after this.
KEEP_ALIVE_SECONDS = 30.0


async def serve_api(
    app: "QuartTrio", settings: "Settings", shutdown_trigger: Callable[[], Awaitable[None]]
) -> None:
    """Serve until the trigger returns.

    Cancelling it drops the connections.
    """
    config = Config()
    config.bind = [settings.bind]
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.graceful_timeout = 0.5
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.h11_max_incomplete_size = 64 * 1024
    config.include_server_header = False
    if settings.tls_cert is not None and settings.tls_key is not None:
        config.certfile = str(settings.tls_cert)
        config.keyfile = str(settings.tls_key)
    await serve(app, config, shutdown_trigger=shutdown_trigger, mode="asgi")
