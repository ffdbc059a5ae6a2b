"""What is counted for each kind of actor. Plain numbers: `metrics.py` makes Prometheus of them.

A kind is one of few words. Should somebody ever put a name in its place, the table still stays
small: from the 64th kind on, all share one row.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

BUCKETS = (0.0001, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
_SHORT = BUCKETS[0]
MAX_KINDS = 64
OTHER = "other"


@dataclass(slots=True)
class KindCounters:
    """The counters of one kind; times are in seconds."""

    live: int = 0
    restarts: int = 0
    messages: int = 0
    handling_sum: float = 0.0
    handling_buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def handled(self, seconds: float) -> None:
        """Count one message that took so long to handle."""
        self.messages += 1
        self.handling_sum += seconds
        # Nearly all messages are of the first bucket.
        bucket = 0 if seconds <= _SHORT else bisect_left(BUCKETS, seconds)
        self.handling_buckets[bucket] += 1


class Telemetry:
    """One row of counters for each kind."""

    def __init__(self) -> None:
        self.kinds: dict[str, KindCounters] = {}

    def label(self, kind: str) -> str:
        """Return the label under which a kind is counted."""
        if kind in self.kinds or len(self.kinds) < MAX_KINDS - 1:
            return kind
        return OTHER

    def of(self, kind: str) -> KindCounters:
        """Return the row of a kind, made when it is new."""
        return self.kinds.setdefault(self.label(kind), KindCounters())
