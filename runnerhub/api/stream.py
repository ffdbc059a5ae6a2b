"""A client's connection, in which nothing lasts for ever but an answer that goes on.

hypercorn shields what it sends from cancellation, and there are ways to leave it without a timer
on a connection that does nothing. A client that does not read, or keeps still, could so hold a
task, and the end of the process, for as long as it likes; here its connection is cut instead.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import trio
from trio.abc import HalfCloseableStream

SEND_SECONDS = 60.0
IDLE_SECONDS = 60.0


class ClientStream(HalfCloseableStream):
    """A TCP stream that is cut when one send takes longer than `SEND_SECONDS`."""

    def __init__(self, inner: trio.SocketStream) -> None:
        self._inner = inner
        self.socket = inner.socket
        self._answering = 0
        self._idle_since = trio.current_time()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While this is entered the connection is not idle."""
        self._answering += 1
        try:
            yield
        finally:
            self._answering -= 1
            self._idle_since = trio.current_time()

    async def watch(self) -> None:
        """Cut the connection once it was idle for `IDLE_SECONDS` (or twice that), or on cancel."""
        try:
            while True:
                await trio.sleep(IDLE_SECONDS)
                if not self._answering and trio.current_time() - self._idle_since >= IDLE_SECONDS:
                    return
        finally:
            self._cut()

    def _cut(self) -> None:
        # What waits for the socket fails now, shielded or not.
        self.socket.close()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or cut the connection. Raises BrokenResourceError when it was cut."""
        with trio.move_on_after(SEND_SECONDS) as scope:
            await self._inner.send_all(data)
        if scope.cancelled_caught:
            self._cut()
            raise trio.BrokenResourceError("the client does not read")

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until a send might not block."""
        await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive what is there; empty at the end."""
        return await self._inner.receive_some(max_bytes)

    async def send_eof(self) -> None:
        """End the sending half."""
        await self._inner.send_eof()

    async def aclose(self) -> None:
        """Close."""
        await self._inner.aclose()
