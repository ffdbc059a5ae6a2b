"""The port to what is kept of GitHub. Every method is one transaction.

Every method may raise `LedgerUnavailable`; then nothing is known of its effect, and calling it
again is safe.
"""

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from runnerhub.model.github_sync import Kind, Thing
from runnerhub.model.webhook_job import WorkflowJob

TOLD_DAYS = 3
SETTLE_SECONDS = 30.0
WRONG_CURSOR = "this is no cursor of ours; take next_cursor of the last page"


@dataclass(frozen=True, slots=True)
class ListPage:
    """What is known of a page of a list: its ETag, and how many items it has."""

    etag: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Look:
    """A list that is looked at now and then.

    Attributes:
        scope: OWNER/NAME, an organisation, or for repositories CREDENTIAL or CREDENTIAL/ACCOUNT.
        interval: seconds between the last two looks; 0 when there was none.
        pages: as the last look found them; none when the next must read everything.
        since: the last look saw all that has at least this id.
        busy: whether it saw something under way.
        told: whether webhooks tell of what happens there.
        due_since: when it was found to be due, by the store's clock.
    """

    kind: Kind
    scope: str
    interval: float = 0.0
    pages: tuple[ListPage, ...] = ()
    since: int = 0
    busy: bool = False
    told: bool = False
    due_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Something at GitHub, when it was last seen, and a run's jobs."""

    thing: Thing
    seen_at: datetime
    jobs: tuple[WorkflowJob, ...] = ()


@dataclass(frozen=True, slots=True)
class StatePage:
    """Things, newest first, and where the next page begins."""

    items: Sequence[Seen]
    next_cursor: str | None


class GitHubState(Protocol):
    """What is kept of GitHub."""

    async def enlist(self, kind: Kind, scopes: Collection[str]) -> None:
        """Let these lists of a kind be looked at and no others; things of others are removed."""

    async def due(self, limit: int) -> Sequence[Look]:
        """Return the looks that are due, the longest due first."""

    async def keep(self, look: Look, things: Sequence[Thing], *, since: int | None) -> int:
        """Write down what a look found; count what has changed.

        Args:
            look: the look.
            things: what it found; none replaces a newer one of itself.
            since: what has at least this id and was not found is removed, unless it was told of
                after the look was due; None removes nothing.
        """

    async def planned(self, look: Look, after_seconds: float) -> None:
        """Write down that a look was made, with all that it says, and when the next one is due."""

    async def put_off(self, look: Look, after_seconds: float) -> None:
        """Write down that a look could not be made, and when it is due again."""

    async def tell(self, runs: Sequence[Thing]) -> None:
        """Write down runs that were told of."""

    async def mark(
        self, told: Collection[str], soon: Collection[tuple[Kind, str]], after_seconds: float
    ) -> None:
        """Note that webhooks told of repositories, and let looks be due soon (`told_by`)."""

    async def visible(self) -> Mapping[str, bool]:
        """Return the repositories that are seen and not archived; whether an organisation's."""

    async def doubtful(self, limit: int) -> Sequence[tuple[str, int]]:
        """Return runs, by repository and id, that contradict their jobs for `SETTLE_SECONDS`.

        One of the two is unknown, or one is completed and the other is not. Runs completed more
        than an hour ago need no jobs. Only lists that are looked at count.
        """

    async def forget(self, kind: Kind, scope: str, number: int) -> None:
        """Remove a thing that is gone."""

    async def things(
        self, kind: Kind, *, repository: str | None = None, cursor: str | None = None, limit: int
    ) -> StatePage:
        """List things, newest first. A cursor that is none of ours is a ValueError.

        With a repository, runners of its owner are among them.
        """

    async def prune_runs(self, *, keep_days: float) -> int:
        """Remove runs not seen for so long, at most some thousands; count them."""


def cursor_of(number: int, scope: str) -> str:
    """Return the cursor behind a thing."""
    return base64.urlsafe_b64encode(f"{number} {scope.lower()}".encode()).decode()


def read_cursor(cursor: str) -> tuple[int, str]:
    """Return where a page begins.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        number, _, scope = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
    except (binascii.Error, UnicodeError):
        raise ValueError(WRONG_CURSOR) from None
    if not number.isdecimal() or len(number) > 18 or not scope or "\0" in scope:  # noqa: PLR2004
        raise ValueError(WRONG_CURSOR)
    return int(number), scope
