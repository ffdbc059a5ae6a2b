"""Job ids that sort by time: `job_` and a ULID in lower case."""

import re
import secrets
from base64 import b32encode

# From the alphabet of RFC 4648 to that of ULIDs, which sorts as its numbers do.
_ULID = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz")
_JOB_ID = re.compile(r"job_[0-7][0-9a-hjkmnp-tv-z]{25}")
_RANDOM_BITS = 80


class JobIds:
    """Make ids, each greater than the one before, even where the clock stands or goes back."""

    def __init__(self) -> None:
        self._last = 0

    def new(self, unix_ms: int) -> str:
        """Return the next id."""
        fresh = unix_ms << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        value = self._last = max(self._last + 1, fresh)
        # Groups of 40 bits are encoded, and the last 26 of 32 characters hold it.
        return "job_" + b32encode(value.to_bytes(20, "big")).translate(_ULID)[6:].decode()


def is_job_id(text: str) -> bool:
    """Tell whether a text has the form of a job id."""
    return _JOB_ID.fullmatch(text) is not None
