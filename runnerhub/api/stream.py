"""A client's connection, in which nothing lasts for ever but an answer that goes on.

A client that does not read could hold a task, and the end of the process, for as long as it likes;
here its connection is cut instead.

Nearly every receive of a server has to wait, and nearly every send has not. So it waits first and
then reads, and writes first and then waits, which is one system call a request less each.
"""

import socket

import trio
from trio.abc import HalfCloseableStream

SEND_SECONDS = 60.0
PIECE_BYTES = 32 * 1024


class ClientStream(HalfCloseableStream):
    """A TCP stream that is cut when one send takes longer than `SEND_SECONDS`.

    Args:
        inner: connected, and from now on this stream's own.
    """

    def __init__(self, inner: socket.socket) -> None:
        inner.setblocking(False)  # noqa: FBT003 - its only parameter
        self._socket = inner
        self._is_cut = False

    def peer(self) -> tuple[str, int] | None:
        """Return the other end's address and port; None when it is gone already."""
        try:
            address, port, *_ = self._socket.getpeername()
        except OSError:
            return None
        return str(address), int(port)

    def cut(self) -> None:
        """Close at once. Whoever waits for it gets ClosedResourceError."""
        if not self._is_cut:
            self._is_cut = True
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send. A checkpoint only where it has to wait.

        Raises:
            BrokenResourceError: the client is gone, or was cut because it does not read.
            ClosedResourceError: it was cut by somebody else.
        """
        rest = memoryview(data)[self._send(data) :]
        if not rest:
            return
        with trio.move_on_after(SEND_SECONDS) as scope:
            while rest:
                await self.wait_send_all_might_not_block()
                rest = rest[self._send(rest) :]
        if scope.cancelled_caught:
            self.cut()
            raise trio.BrokenResourceError("the client does not read")

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        if self._is_cut:
            raise trio.ClosedResourceError
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until a send might not block."""
        if self._is_cut:
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_writable(self._socket)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what is there; empty at the end."""
        while True:
            if self._is_cut:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(max_bytes or PIECE_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError from error

    async def send_eof(self) -> None:
        """End the sending half."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def aclose(self) -> None:
        """Close."""
        self.cut()
        await trio.lowlevel.checkpoint()
