"""Wake whoever waits for a change of something, by key. Loses no wake-up that matters.

Whoever waits takes a ticket first, then looks at the state, then waits on the ticket: a change
in between has set it already.
"""

import random
from collections.abc import Collection, Hashable

import trio

from runnerhub.runtime import Backoff

_BACKOFF = Backoff(first=1.5, cap=6.0, jitter=0.5)
_RNG = random.Random(random.getrandbits(64))  # noqa: S311 - jitter; replays when seeded


class Wakeups:
    """Events by key, renewed at each notification; a key costs nothing while nobody waits."""

    def __init__(self) -> None:
        self._events: dict[Hashable, trio.Event] = {}

    def ticket(self, key: Hashable = None) -> trio.Event:
        """Return the event that the next notification of this key sets."""
        return self._events.setdefault(key, trio.Event())

    def notify(self, key: Hashable = None) -> None:
        """Wake those who wait for a key."""
        event = self._events.pop(key, None)
        if event is not None:
            event.set()

    def notify_others(self, quiet: Collection[Hashable]) -> None:
        """Wake those who wait for a key, but not for one of these."""
        for key in [key for key in self._events if key is not None and key not in quiet]:
            self.notify(key)

    def notify_all(self) -> None:
        """Wake everybody."""
        events, self._events = self._events, {}
        for event in events.values():
            event.set()


async def wait_at_most(event: trio.Event, seconds: float) -> bool:
    """Wait for an event for so long; tell whether it came. A checkpoint."""
    with trio.move_on_after(seconds):
        await event.wait()
    return event.is_set()


async def wait_before_asking_again(event: trio.Event, failures: int) -> None:
    """Wait for an event, or for ever longer, and not in step with others who failed as well."""
    with trio.move_on_after(_BACKOFF.delay(failures, _RNG)):
        await event.wait()


async def first_of(*events: trio.Event) -> None:
    """Wait until one of these events is set. A checkpoint."""
    async with trio.open_nursery() as nursery:

        async def wait(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        for event in events:
            nursery.start_soon(wait, event)
