"""The console's door: an actor that owns the unix socket, and lets guests in.

The socket is `console.sock` in the data folder, mode 0600: the kernel lets in whoever runs as the
node's user, and root. A door that cannot open is a node without a console, not a node that ends.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
import trio

from runnerhub.console.desk import Desk
from runnerhub.console.protocol import SOCKET_NAME, encode
from runnerhub.console.session import Session
from runnerhub.runtime import ActorContext

log = structlog.get_logger(__name__)

MOST_GUESTS = 16
BACKLOG = 16


class Door:
    """Serve guests until stopped.

    Args:
        desk: what the commands may use.
        folder: the data folder, which this process holds the lock of.
    """

    def __init__(self, desk: Desk, folder: Path) -> None:
        self._desk = desk
        self._folder = folder
        self._guests = 0

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Serve until stopped; then the guests are cut off."""
        try:
            with private_socket(self._folder) as listening:
                ctx.started()
                listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.serve_listeners, self._welcome, [listener])
                    await ctx.stopping.wait()
                    nursery.cancel_scope.cancel()
        except OSError as error:
            log.warning("the console cannot open", action="console_closed", error=str(error))
            ctx.started()
            await ctx.stopping.wait()

    async def _welcome(self, stream: trio.SocketStream) -> None:
        if self._guests >= MOST_GUESTS:
            with suppress(trio.BrokenResourceError), trio.move_on_after(1.0):
                why = f"{MOST_GUESTS} consoles are attached already"
                await stream.send_all(encode({"id": None, "ok": False, "error": why}))
            return
        self._guests += 1
        try:
            await Session(self._desk, stream).run()
        finally:
            self._guests -= 1


@contextmanager
def private_socket(folder: Path) -> Iterator[socket.socket]:
    """Listen on `console.sock` in a folder that this process holds; remove it afterwards.

    Nobody is let in before the socket is its owner's alone: it listens only then. A stale one of
    an earlier life is replaced, and the new one appears under its name only once it listens.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    draft = f".{SOCKET_NAME}"
    try:
        made.setblocking(False)  # noqa: FBT003
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=descriptor)
        made.bind(address_in(descriptor, draft))
        os.chmod(draft, 0o600, dir_fd=descriptor)
        made.listen(BACKLOG)
        os.rename(draft, SOCKET_NAME, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        yield made
    finally:
        made.close()
        for name in (draft, SOCKET_NAME):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=descriptor)
        os.close(descriptor)


def address_in(folder: int, name: str) -> str:
    """Return a path of a name in an open folder that fits the 107 bytes of a socket's address."""
    return f"/proc/self/fd/{folder}/{name}"
