"""Which deliveries GitHub should send again. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runnerhub.model.webhook import ROUTED
from runnerhub.model.webhook_job import moment, text, whole

# GitHub keeps what it could not deliver for three days; the last minutes are left alone.
REDELIVERABLE = timedelta(days=3) - timedelta(minutes=10)
MOST_ATTEMPTS = 3
# GitHub waits 10 s for an answer: what is younger may be under way, whatever its status says.
UNDER_WAY = timedelta(seconds=15)
_GOOD = range(200, 400)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of GitHub's to deliver.

    Attributes:
        id: of the attempt, by which it can be asked for again.
        guid: of the delivery; an attempt that was asked for has the same.
        status_code: of our answer; 0 while it is under way.
    """

    id: int
    guid: str
    event: str
    at: datetime
    status_code: int
    redelivery: bool = False


def read_attempts(raw: object) -> Sequence[Attempt]:
    """Read a page of GitHub's list of deliveries; what has another form is left out."""
    return [
        found
        for each in (raw if isinstance(raw, list) else ())
        if isinstance(each, dict) and (found := _read(each)) is not None
    ]


def _read(raw: dict[str, Any]) -> Attempt | None:
    number, guid, event = whole(raw.get("id")), text(raw.get("guid")), text(raw.get("event"))
    at = moment(raw.get("delivered_at"))
    if number is None or guid is None or event is None or at is None:
        return None
    code = whole(raw.get("status_code")) or 0
    return Attempt(number, guid, event, at, code, raw.get("redelivery") is True)


def lost(attempts: Iterable[Attempt], now: datetime) -> Sequence[Attempt]:
    """Return the last attempt of each delivery that did not arrive, the oldest first.

    Left out is what we do not act on, what arrived in another attempt or is under way, what was
    tried often enough, and what is too old to be had.
    """
    by_guid: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.event in ROUTED:
            by_guid.setdefault(attempt.guid, []).append(attempt)
    found = [
        max(group, key=lambda attempt: attempt.id)
        for group in by_guid.values()
        if not any(each.status_code == 0 or each.status_code in _GOOD for each in group)
        and len({each.id for each in group}) <= MOST_ATTEMPTS
        and now - min(each.at for each in group) < REDELIVERABLE
        and now - max(each.at for each in group) > UNDER_WAY
    ]
    return sorted(found, key=lambda attempt: attempt.id)


def without(attempts: Iterable[Attempt], known: Collection[str]) -> Sequence[Attempt]:
    """Leave out what the ledger has: GitHub also calls failed what was answered too late."""
    return [attempt for attempt in attempts if attempt.guid not in known]
