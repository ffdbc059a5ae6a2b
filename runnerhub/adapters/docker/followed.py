"""Which containers' logs are followed, and whose end is known by what the engine said elsewhere.

Each job's end is told by an event and seen by whoever watches it. A followed log that ends at the
same time need not ask a second time.
"""

from typing import Protocol

_ENDS = frozenset({"die", "destroy"})


class Follower(Protocol):
    """A log that is followed."""

    def container_ended(self) -> None:
        """Take in that its container runs no more."""


class Followed:
    """The logs of one engine that are followed, by the name of the container.

    Attributes:
        listeners: how many streams of events are open, and so whether ends are told at all.
    """

    def __init__(self) -> None:
        self.listeners = 0
        self._followers: dict[str, tuple[Follower, ...]] = {}

    def add(self, name: str, follower: Follower) -> None:
        """Begin to tell of a container's end. Harmless when repeated."""
        before = self._followers.get(name, ())
        if follower not in before:
            self._followers[name] = (*before, follower)

    def discard(self, name: str, follower: Follower) -> None:
        """End it. Harmless when repeated."""
        rest = tuple(each for each in self._followers.get(name, ()) if each is not follower)
        if rest:
            self._followers[name] = rest
        else:
            self._followers.pop(name, None)

    def ended(self, name: str) -> None:
        """Tell that a container was seen to have ended."""
        for follower in self._followers.get(name, ()):
            follower.container_ended()

    def note(self, action: str, name: str) -> None:
        """Take in an event."""
        if action in _ENDS:
            self.ended(name)
