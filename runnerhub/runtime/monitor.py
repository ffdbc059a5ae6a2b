"""Monitors: how anyone learns that an actor has ended, and why.

A `Down` comes exactly once for each life that is watched. A monitor can hold one for each, so
none is ever lost for want of room, and nothing needs a bound of its own.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, Self

import trio


class Reason(StrEnum):
    """Why a life ended."""

    NORMAL = "normal"
    STOPPED = "stopped"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # there was nobody of that name to watch


@dataclass(frozen=True, slots=True)
class Down:
    """An actor has ended."""

    name: str
    kind: str
    reason: Reason
    error: Exception | None = None


class Watchable(Protocol):
    """What a monitor needs of an actor's handle."""

    @property
    def down(self) -> Down | None:
        """How the life ended; None while it lasts."""

    def on_down(self, callback: Callable[[Down], None]) -> Callable[[], None]:
        """Call back at the end of the life; return a function that withdraws this."""


class Monitor:
    """Collect the `Down` of every life that it watches."""

    def __init__(self) -> None:
        self._downs: deque[Down] = deque()
        self._withdraw: dict[int, tuple[Any, Callable[[], None]]] = {}
        self._waiters = trio.lowlevel.ParkingLot()

    def watch(self, actor: Watchable) -> None:
        """Watch one more life. If it has ended, its `Down` is there at once."""
        if actor.down is not None:
            self.deliver(actor.down)
        elif id(actor) not in self._withdraw:

            def ended(down: Down) -> None:
                self._withdraw.pop(id(actor), None)
                self.deliver(down)

            # The actor is kept beside its entry, so that its id stays its own.
            self._withdraw[id(actor)] = (actor, actor.on_down(ended))

    def unwatch(self, actor: Watchable) -> None:
        """Watch this life no longer. A `Down` that was delivered already stays."""
        _, withdraw = self._withdraw.pop(id(actor), (None, None))
        if withdraw is not None:
            withdraw()

    def close(self) -> None:
        """Watch nobody any longer."""
        for _, withdraw in self._withdraw.values():
            withdraw()
        self._withdraw.clear()

    def deliver(self, down: Down) -> None:
        """Put a `Down` in as if a watched life had ended."""
        self._downs.append(down)
        self._waiters.unpark()

    async def receive(self) -> Down:
        """Wait for the next `Down`. A checkpoint; cancelling it loses none."""
        await trio.lowlevel.checkpoint()
        while not self._downs:
            await self._waiters.park()
        return self._downs.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Down:
        return await self.receive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
