"""What a test can let go wrong on a simulated engine."""

from dataclasses import dataclass, field
from typing import Protocol


class Latencies(Protocol):
    """How long things take."""

    def of(self, method: str, at_once: int) -> float:
        """Return how many seconds a call of a method takes, with so many under way."""


# Kinds of a method that only a measured latency tells apart.
_SAME = {
    "start_alone": "start_container",
    "start_joined": "start_container",
    "remove_running": "remove_container",
}


@dataclass(frozen=True, slots=True)
class Latency:
    """How many seconds things take. `call` is what every method takes at least."""

    call: float = 0.0
    create_network: float = 0.0
    remove_network: float = 0.0
    create_container: float = 0.0
    start_container: float = 0.0
    remove_container: float = 0.0
    pull_image: float = 0.0

    def of(self, method: str, at_once: int) -> float:
        """Return how long a method takes."""
        del at_once
        method = _SAME.get(method, method)
        return max(self.call, float(getattr(self, method, 0.0)))


@dataclass(slots=True)
class Faults:
    """Errors that wait for their method to be called, oldest first.

    Attributes:
        before: raised, and nothing is done.
        after: all is done, and then raised: the answer was lost.
        delays: seconds that the next creates take; they happen although their caller is gone.
    """

    before: dict[str, list[Exception]] = field(default_factory=dict)
    after: dict[str, list[Exception]] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)

    def add(self, method: str, error: Exception, *, after: bool, times: int) -> None:
        """Let the next calls of a method fail."""
        (self.after if after else self.before).setdefault(method, []).extend([error] * times)

    def strike(self, method: str, *, after: bool) -> None:
        """Raise what waits for this method."""
        waiting = (self.after if after else self.before).get(method)
        if waiting:
            raise waiting.pop(0)
