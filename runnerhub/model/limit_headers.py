"""What an answer of GitHub says of its limits. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from runnerhub.model.permit import Reported

FORBIDDEN, TOO_MANY = 403, 429
# What a server says that has lost its senses is not believed: it would be obeyed for years.
MOST_CALLS = 10**9
LONGEST_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """GitHub refused for a limit.

    Attributes:
        secondary: the credential must be silent; else the bucket is empty until its reset.
        retry_after: seconds, where GitHub says so.
    """

    secondary: bool
    retry_after: float | None = None


def reported(headers: Mapping[str, str], now: float) -> tuple[str, Reported] | None:
    """Return the resource and its numbers; None when the answer has none.

    Args:
        headers: names in lower case.
        now: Unix seconds, for an answer without a date.
    """
    try:
        limit = int(headers["x-ratelimit-limit"])
        remaining = int(headers["x-ratelimit-remaining"])
        resets = int(float(headers["x-ratelimit-reset"]))
    except (KeyError, ValueError, OverflowError):
        return None
    if not (0 <= limit <= MOST_CALLS and remaining <= MOST_CALLS):
        return None
    # Both times are whole seconds, cut off: the reset is never taken to be earlier than it is.
    left = min(LONGEST_SECONDS, max(0.0, resets + 1.0 - served_at(headers, now)))
    return headers.get("x-ratelimit-resource", "core"), Reported(limit, remaining, resets, left)


def served_at(headers: Mapping[str, str], now: float) -> float:
    """Return the answer's own date, Unix seconds; `now` when it has none."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return now


def refusal(status: int, headers: Mapping[str, str], message: str) -> Refusal | None:
    """Tell whether an answer is a refusal for a limit, and of which; None for any other.

    Args:
        status: of the answer.
        headers: names in lower case.
        message: from its body.
    """
    if status not in {FORBIDDEN, TOO_MANY}:
        return None
    words = message.lower()
    empty = headers.get("x-ratelimit-remaining") == "0"
    if (after := _seconds(headers.get("retry-after"))) is not None:
        return Refusal(secondary=not empty or "secondary" in words, retry_after=after)
    if "secondary rate limit" in words or "abuse" in words:
        return Refusal(secondary=True)
    if empty:
        return Refusal(secondary=False)
    return Refusal(secondary=True) if status == TOO_MANY else None


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else min(LONGEST_SECONDS, max(0.0, float(text)))
    except ValueError:
        return None
