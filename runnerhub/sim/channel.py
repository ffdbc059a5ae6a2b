"""Streams of a simulated engine: what is next is worked out when somebody waits for it."""

import math
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Changes:
    """Wakes whoever waits for something to happen."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: trio.Event | None = None

    def happened(self) -> None:
        """Wake all."""
        event, self._event = self._event, None
        if event is not None:
            event.set()

    async def wait(self, until: float = math.inf) -> None:
        """Wait for the next change, at most until a time of trio's clock. A checkpoint."""
        if self._event is None:
            self._event = trio.Event()
        event = self._event
        with trio.move_on_at(until):
            await event.wait()


class Pulled(trio.abc.ReceiveChannel[T], Generic[T]):
    """A channel over a function that returns the next item, or when to ask again.

    Args:
        take: returns an item, or the time until which there is none for certain; raises
            `trio.EndOfChannel` at the end, and whatever breaks the stream.
        changes: told of everything that makes asking again worth while.
    """

    def __init__(self, take: Callable[[], T | float], changes: Changes) -> None:
        self._take = take
        self._changes = changes
        self._closed = False

    async def receive(self) -> T:
        """Wait for the next item."""
        await trio.lowlevel.checkpoint()
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            item = self._take()
            if not isinstance(item, float):
                return item
            await self._changes.wait(item)

    async def receive_ready(self, at_most: int) -> list[T]:
        """Wait for the next item; return it with those that are there already."""
        items = [await self.receive()]
        while len(items) < at_most:
            try:
                item = self._take()
            except trio.EndOfChannel:
                break  # said again to whoever asks next
            if isinstance(item, float):
                break
            items.append(item)
        return items

    async def aclose(self) -> None:
        """Receive no more."""
        self._closed = True
        self._changes.happened()
        await trio.lowlevel.checkpoint()
