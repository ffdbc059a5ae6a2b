"""Streams of a simulated engine: what is next is worked out when somebody waits for it."""

import math
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")
ENDED = -math.inf


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
        if math.isinf(until):
            await event.wait()
            return
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

    def ready(self, at_most: int) -> tuple[list[T], float | None]:
        """Return what is there; and, where that is all for now, when to ask again at the latest.

        The time is `ENDED` at the end of the channel, and None where there is more.
        """
        items: list[T] = []
        while len(items) < at_most:
            try:
                item = self._take()
            except trio.EndOfChannel:
                return items, ENDED
            if isinstance(item, float):
                return items, item
            items.append(item)
        return items, None

    async def more(self, until: float | None) -> None:
        """Wait until `ready`, which said this time, may say more. A checkpoint."""
        if until is None:
            await trio.lowlevel.checkpoint()
        else:
            await self._changes.wait(until)

    async def aclose(self) -> None:
        """Receive no more."""
        self._closed = True
        self._changes.happened()
        await trio.lowlevel.checkpoint()
