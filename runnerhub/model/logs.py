"""The position in a container's log up to which it is durable.

The engine's `since` repeats a line, and pieces of a line over 16 kB share a timestamp. So a
position is a timestamp plus how many entries of each stream with that timestamp are known.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of a container's log: at most a line, with its newline where it had one.

    Attributes:
        stream: stdout or stderr.
        at: the engine's RFC 3339 timestamp with nanoseconds, compared as text.
    """

    stream: str
    at: str
    data: bytes


@dataclass(frozen=True, slots=True)
class LogCursor:
    """What is durable: all before `at`, and the first entries of each stream at `at`."""

    at: str = ""
    stdout: int = 0
    stderr: int = 0

    def advance(self, entry: LogEntry) -> "LogCursor":
        """Return the cursor after this entry."""
        out, err = (self.stdout, self.stderr) if entry.at == self.at else (0, 0)
        if entry.stream == "stdout":
            return LogCursor(entry.at, out + 1, err)
        return LogCursor(entry.at, out, err + 1)


class Resume:
    """Drop what a cursor has already seen from a log that is read again from its timestamp."""

    def __init__(self, cursor: LogCursor) -> None:
        self._at = cursor.at
        self._skip = {"stdout": cursor.stdout, "stderr": cursor.stderr}

    def is_new(self, entry: LogEntry) -> bool:
        """Tell whether an entry lies behind the cursor. Call it once for each, in order."""
        if entry.at != self._at:
            return entry.at > self._at
        if self._skip[entry.stream] > 0:
            self._skip[entry.stream] -= 1
            return False
        return True
