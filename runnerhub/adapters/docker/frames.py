"""A container's log as the engine streams it: frames of 8 bytes of header and one entry each.

byte 0      1 stdout, 2 stderr
bytes 1-3   zero
bytes 4-7   length of what follows, big endian: an RFC 3339 timestamp, a space, the entry
"""

import re
from datetime import UTC, datetime

from runnerhub.model.logs import LogEntry

_STREAMS = {1: "stdout", 2: "stderr"}
_HEADER = 8
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|z|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BrokenFrame(ValueError):
    """Bytes that are no log stream."""


class Demultiplexer:
    """Turn the bytes of a log stream into entries, in pieces of any size."""

    def __init__(self) -> None:
        self._pending = bytearray()

    @property
    def is_inside_frame(self) -> bool:
        """Whether a frame has begun and not ended: the stream was cut if it ends now."""
        return bool(self._pending)

    def feed(self, data: bytes) -> list[LogEntry]:
        """Take more bytes and return the entries that they complete.

        Raises:
            BrokenFrame: these bytes are no log stream.
        """
        pending = self._pending
        pending += data
        entries: list[LogEntry] = []
        start = 0
        while len(pending) - start >= _HEADER:
            stream = _STREAMS.get(pending[start])
            if stream is None or any(pending[start + 1 : start + 4]):
                raise BrokenFrame(f"no frame begins with {bytes(pending[start : start + 8])!r}")
            body = start + _HEADER
            end = body + int.from_bytes(pending[start + 4 : body], "big")
            if len(pending) < end:
                break
            entries.append(_entry(stream, bytes(pending[body:end])))
            start = end
        del pending[:start]
        return entries


def _entry(stream: str, payload: bytes) -> LogEntry:
    at, space, data = payload.partition(b" ")
    if not space:
        raise BrokenFrame(f"an entry without a timestamp: {payload[:40]!r}")
    return LogEntry(stream, fixed_width(at.decode("ascii", "replace")), data)


def fixed_width(timestamp: str) -> str:
    """Write an RFC 3339 timestamp in UTC with nine digits, so that text order is time order.

    Raises:
        BrokenFrame: it is no RFC 3339 timestamp.
    """
    match = _TIME.fullmatch(timestamp)
    if match is None:
        raise BrokenFrame(f"no timestamp: {timestamp!r}")
    seconds, fraction, zone = match.groups(default="")
    if zone not in ("Z", "z"):
        moved = datetime.fromisoformat(seconds + zone).astimezone(UTC)
        seconds = moved.replace(tzinfo=None).isoformat()
    return f"{seconds.upper()}.{fraction:0<9}Z"


def unix_seconds(timestamp: str) -> str:
    """Write an RFC 3339 timestamp as the engine's `since` wants it: `seconds.nanoseconds`."""
    fixed = fixed_width(timestamp)
    moment = datetime.fromisoformat(fixed[:19]).replace(tzinfo=UTC)
    return f"{int((moment - _EPOCH).total_seconds())}.{fixed[20:29]}"
