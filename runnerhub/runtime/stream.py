"""An asyncio generator as a trio channel: events, logs, pub/sub.

One asyncio task pumps the generator into a small buffer and waits while that is full, so a slow
receiver slows the source down. No crossing happens per item: both sides share a thread, and
wake each other directly.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import ParamSpec, TypeVar

import trio

from runnerhub.runtime.bridge import Bridge
from runnerhub.runtime.errors import CallCancelled

P = ParamSpec("P")
T = TypeVar("T")


@asynccontextmanager
async def open_stream(
    bridge: Bridge, make: Callable[[], AsyncGenerator[T, None]], *, buffer: int = 64
) -> AsyncIterator[trio.abc.ReceiveChannel[T]]:
    """Run an asyncio generator on the host loop and give a channel of what it yields.

    Leaving the block closes the generator and waits for that, up to the bridge's grace, also
    when cancelled.

    Args:
        bridge: to the host loop.
        make: makes the generator.
        buffer: how many items may wait before the generator does.

    Raises:
        BridgeClosed: the guest run has ended.
    """
    stream = _Stream[T](buffer)
    task = bridge.start_task(stream.pump(make))
    try:
        yield stream
    finally:
        await stream.aclose()
        await bridge.end_task(task)


class _Stream(trio.abc.ReceiveChannel[T]):
    def __init__(self, buffer: int) -> None:
        if buffer < 1:
            message = f"a stream holds at least one item, not {buffer}"
            raise ValueError(message)
        self._buffer = buffer
        self._items: deque[T] = deque()
        self._room = asyncio.Event()
        self._receivers = trio.lowlevel.ParkingLot()
        self._over = False
        self._closed = False
        self._error: Exception | None = None

    async def pump(self, make: Callable[[], AsyncGenerator[T, None]]) -> None:
        """Move items from the generator into the buffer. Runs on the host loop."""
        try:
            async with aclosing(make()) as source:
                async for item in source:
                    self._items.append(item)
                    self._receivers.unpark()
                    while len(self._items) >= self._buffer:
                        self._room.clear()
                        await self._room.wait()
        except asyncio.CancelledError:
            # Unless it was us, the receiver must not take this for the end.
            self._error = CallCancelled("the host loop cancelled the stream")
            raise
        except Exception as error:  # noqa: BLE001 - raised at the receiver
            self._error = error
        finally:
            self._over = True
            self._receivers.unpark_all()

    async def receive(self) -> T:
        """Wait for the next item. A checkpoint; cancelling it loses none."""
        await trio.lowlevel.checkpoint()
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            if self._items:
                item = self._items.popleft()
                self._room.set()
                return item
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._over:
                raise trio.EndOfChannel
            await self._receivers.park()

    async def aclose(self) -> None:
        """Receive no more; whoever waits is released. Leaving the block ends the generator."""
        self._closed = True
        self._receivers.unpark_all()
