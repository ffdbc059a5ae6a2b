"""Job ids that sort by time: `job_` and a ULID in lower case."""

import re
import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
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
        return "job_" + "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def is_job_id(text: str) -> bool:
    """Tell whether a text has the form of a job id."""
    return _JOB_ID.fullmatch(text) is not None
