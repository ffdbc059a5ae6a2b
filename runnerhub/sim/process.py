"""A simulated process. What it does is known at its start; its state follows from the time."""

import math
from dataclasses import dataclass, field

from runnerhub.model.logs import LogEntry
from runnerhub.sim.channel import Changes
from runnerhub.sim.clock import SimClock
from runnerhub.sim.script import Timeline
from runnerhub.sim.stdin import Reader

_KILLED = 137


@dataclass(slots=True, kw_only=True)
class SimProcess:
    """What a container, or an exec in one, runs.

    Attributes:
        killed_at: when something ended it before its time.
        starved: whether that was the kernel, for its memory.
        changes: told when it starts, when it is killed, and of what it is given to read.
        reader: what reads its stdin, while that is open.
        unread: what was written to its stdin before it started.
        is_stdin_closed: whether nothing more will be.
    """

    clock: SimClock
    timeline: Timeline | None = None
    started_at: float | None = None
    killed_at: float = math.inf
    starved: bool = False
    changes: Changes = field(default_factory=Changes)
    reader: Reader | None = None
    unread: bytes = b""
    is_stdin_closed: bool = False

    @property
    def ends_at(self) -> float:
        """When it ends, or ended."""
        if self.started_at is None or self.timeline is None:
            return math.inf
        return min(self.started_at + self.timeline.seconds, self.killed_at)

    @property
    def was_killed(self) -> bool:
        """Whether something ended it before its time."""
        return self.killed_at <= self.ends_at and not math.isinf(self.killed_at)

    @property
    def is_running(self) -> bool:
        """Whether it runs now."""
        return self.started_at is not None and self.clock.now() < self.ends_at

    @property
    def has_ended(self) -> bool:
        """Whether it ran, and runs no more."""
        return self.started_at is not None and not self.is_running

    @property
    def exit_code(self) -> int:
        """What it exits with."""
        if self.was_killed or self.timeline is None:
            return _KILLED
        return self.timeline.exit_code

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel ends it for its memory."""
        if self.starved:
            return True
        return self.timeline is not None and self.timeline.out_of_memory and not self.was_killed

    def start(self, timeline: Timeline, reader: Reader | None, at: float) -> None:
        """Run from a time on; what an earlier run wrote is forgotten."""
        self.timeline, self.started_at, self.killed_at = timeline, at, math.inf
        self.reader, self.starved = reader, False
        if reader is not None:
            reader.feed(self.unread, 0.0)
            if self.is_stdin_closed:
                reader.close(0.0)
        self.unread = b""
        self.changes.happened()

    def feed(self, data: bytes) -> None:
        """Write to its stdin."""
        if self.reader is not None and self.started_at is not None:
            self.reader.feed(data, self.clock.now() - self.started_at)
            self.changes.happened()
        elif self.started_at is None:
            self.unread += data

    def close_stdin(self) -> None:
        """Let it read the end."""
        self.is_stdin_closed = True
        if self.reader is not None and self.started_at is not None:
            self.reader.close(self.clock.now() - self.started_at)
            self.changes.happened()

    def kill(self) -> None:
        """End it now, if it runs."""
        if self.is_running:
            self.killed_at = self.clock.now()
            self.changes.happened()

    def entry(self, number: int) -> tuple[float, LogEntry] | None:
        """Return when it writes an entry, and what; None behind the last."""
        if self.started_at is None or self.timeline is None:
            return None
        if number >= len(self.timeline.outputs):
            return None
        output = self.timeline.outputs[number]
        at = self.started_at + output.after
        if at > self.ends_at:
            return None
        return at, LogEntry(output.stream, self.clock.text(at), output.data)

    def take(self, number: int) -> LogEntry | float | None:
        """Return an entry, or the time until which it is not there, or None when none will be."""
        found = self.entry(number)
        if found is not None:
            at, entry = found
            return entry if at <= self.clock.now() else at
        return None if self.has_ended else self.ends_at
