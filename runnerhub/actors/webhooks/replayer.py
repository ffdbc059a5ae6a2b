"""The replayer: deliveries that did not arrive are asked for again.

GitHub never does it by itself, but keeps what it could not deliver for three days.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
import trio

from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.model.budget import Priority
from runnerhub.model.webhook_replay import (
    MOST_ATTEMPTS,
    REDELIVERABLE,
    Attempt,
    lost,
    read_attempts,
    without,
)
from runnerhub.ports.github import Credential, GitHub, GitHubRefused, Request, Response

log = structlog.get_logger(__name__)

MOST_A_ROUND = 50
MOST_PAGES = 30
MOST_HOOKS = 100
MOST_REMEMBERED = 10_000
OVERLAP = timedelta(hours=1)
# A webhook that we may not look at is left alone for so long.
SHUT_SECONDS = 3600.0
OF_AN_APP = "/app/hook"


@dataclass(frozen=True, slots=True)
class Source:
    """A webhook whose deliveries can be listed. `credential`: of the App whose it is."""

    path: str
    credential: Credential | None = None

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return f"{self.path} {self.credential.app_id if self.credential else ''}"


class Replayer:
    """Go through the lists of deliveries.

    Args:
        desk: of the webhooks.
        github: the gateway.
    """

    def __init__(self, desk: WebhookDesk, github: GitHub) -> None:
        self._desk = desk
        self._github = github
        self._asked: Counter[str] = Counter()
        self._seen_to: dict[str, datetime] = {}  # what is older was dealt with
        self._shut_until: dict[str, float] = {}

    async def round(self) -> None:
        """Ask for what is lost, at most `MOST_A_ROUND`. Raises as `GitHub.call`."""
        room = MOST_A_ROUND
        if len(self._asked) > MOST_REMEMBERED:
            self._asked.clear()  # GitHub's own list bounds the attempts as well
        for source in await self._sources():
            if self._shut_until.get(source.key, 0.0) > trio.current_time():
                continue
            try:
                room -= await self._look(source, room)
            except GitHubRefused as error:
                self._shut_until[source.key] = trio.current_time() + SHUT_SECONDS
                log.warning(
                    "deliveries cannot be listed",
                    action="webhook_deliveries_refused",
                    hook=source.path,
                    why=str(error),
                )
            if room <= 0:
                return

    async def _sources(self) -> Sequence[Source]:
        apps = {
            credential.app_id: Source(OF_AN_APP, credential)
            for credential in self._desk.credentials
            if credential.signer is not None and self._desk.app is not None
        }
        hooks = await self._desk.deliveries.hooks(MOST_HOOKS)
        return [*apps.values(), *(Source(path) for path in hooks if path != OF_AN_APP)]

    async def _look(self, source: Source, room: int) -> int:
        now = self._desk.now()
        since = self._seen_to.get(source.key, now - REDELIVERABLE)
        missing = lost(await self._failed(source, since), now)
        known = await self._desk.deliveries.known([each.guid for each in missing])
        wanted = [
            each for each in without(missing, known) if self._asked[each.guid] < MOST_ATTEMPTS
        ]
        for attempt in wanted[:room]:
            await self._ask(source, attempt)
        if len(wanted) <= room:
            self._seen_to[source.key] = now - OVERLAP
        return min(len(wanted), room)

    async def _failed(self, source: Source, since: datetime) -> list[Attempt]:
        request = Request(
            "GET",
            f"{source.path}/deliveries",
            {"per_page": 100, "status": "failure"},
            kind="deliveries",
            priority=Priority.RECONCILE,
            patience=30.0,
            cached=False,
        )
        found: list[Attempt] = []
        for _ in range(MOST_PAGES):
            answer = await self._call(source, request)
            attempts = read_attempts(answer.data)
            found += attempts
            if answer.next is None or not attempts or min(each.at for each in attempts) < since:
                break
            request = replace(request, path=answer.next, params={}, account=_owner(source.path))
        return found

    async def _ask(self, source: Source, attempt: Attempt) -> None:
        self._asked[attempt.guid] += 1
        request = Request(
            "POST",
            f"{source.path}/deliveries/{attempt.id}/attempts",
            kind="redelivery",
            priority=Priority.RECONCILE,
            patience=30.0,
            repeatable=True,  # a delivery that comes twice does no harm
        )
        try:
            await self._call(source, request)
        except GitHubRefused as error:
            self._asked[attempt.guid] = MOST_ATTEMPTS
            self._desk.statistics.redelivered["refused"] += 1
            log.warning("no redelivery", action="redelivery_refused", why=str(error))
        else:
            self._desk.statistics.redelivered["asked"] += 1
            log.info("asked again", action="redelivery", what=attempt.event, guid=attempt.guid)

    async def _call(self, source: Source, request: Request) -> Response:
        if source.credential is not None and self._desk.app is not None:
            return await self._desk.app.call_as_app(request, source.credential)
        return await self._github.call(request)


def _owner(path: str) -> str | None:
    parts = path.strip("/").split("/")
    return parts[1] if len(parts) > 1 and parts[0] in {"repos", "orgs"} else None
