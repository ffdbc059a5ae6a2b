"""What has happened on a simulated engine, the latest of it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

_KEPT = 1024  # as many as a real engine holds for a slow listener


@dataclass(slots=True)
class SimEvent:
    """An event.

    Attributes:
        at: a time of trio's clock.
        kind: container, network or image.
        actor: id of what it concerns.
        labels: those of the container or network.
        details: what an engine adds to them, such as exitCode.
        encoded: as the API says it, for all listeners, once the first was told.
    """

    at: float
    kind: str
    action: str
    actor: str
    name: str
    labels: Mapping[str, str]
    details: Mapping[str, str]
    encoded: bytes = b""


class EventLog:
    """The latest events, each with a position that grows. A reader too slow for it loses some."""

    def __init__(self) -> None:
        self._kept: deque[SimEvent] = deque(maxlen=_KEPT)
        self.end = 0

    def append(self, event: SimEvent) -> None:
        """Add the next."""
        self._kept.append(event)
        self.end += 1

    @property
    def start(self) -> int:
        """Position of the oldest that is kept."""
        return self.end - len(self._kept)

    def at(self, position: int) -> SimEvent:
        """Return the event of a position between `start` and `end`."""
        return self._kept[position - self.start]
