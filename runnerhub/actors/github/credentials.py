"""Installation tokens: kept, renewed ahead of their end, fetched once however many ask."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import structlog
import trio

from runnerhub.actors.github.desk import Desk
from runnerhub.actors.github.messages import Distrust, Identify, Identity
from runnerhub.model.budget import Priority
from runnerhub.model.limit_headers import served_at
from runnerhub.ports.github import (
    Authorization,
    Credential,
    GitHubRefused,
    GitHubUnavailable,
    Request,
    Response,
)
from runnerhub.runtime import ActorContext, ReplyTo

log = structlog.get_logger(__name__)

RENEW_SECONDS = 600.0
LEAST_SECONDS = 30.0
NOT_FOUND = 404

Key: TypeAlias = tuple[str, str | None]
AskAsApp = Callable[[Request, Credential], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Token:
    identity: Identity
    ends_at: float


class CredentialsActor:
    """Keep the tokens of all installations.

    Args:
        desk: of the gateway.
        ask_as_app: makes a request signed by the App itself.
    """

    def __init__(self, desk: Desk, ask_as_app: AskAsApp) -> None:
        self._desk = desk
        self._ask_as_app = ask_as_app
        self._installations: dict[Key, int] = {}

    async def run(self, ctx: ActorContext[Identify | Distrust]) -> None:
        """Answer until stopped."""
        self._tokens: dict[Key, _Token] = {}
        self._asking: dict[Key, list[ReplyTo[Identity]]] = {}
        self._desk.registry = ctx.registry
        ctx.started()
        async with trio.open_nursery() as nursery:
            async for message in ctx:
                match message:
                    case Distrust(identity):
                        for key, token in tuple(self._tokens.items()):
                            if token.identity == identity:
                                del self._tokens[key]
                    case Identify():
                        self._identify(message, nursery)
            nursery.cancel_scope.cancel()

    def _identify(self, message: Identify, nursery: trio.Nursery) -> None:
        credential = message.credential
        account = None if credential.installation_id is not None else message.account
        key = (credential.name, account)
        token = self._tokens.get(key)
        left = token.ends_at - trio.current_time() if token is not None else 0.0
        if token is not None and left > LEAST_SECONDS:
            message.reply_to.send(token.identity)
        if left <= RENEW_SECONDS and key not in self._asking:
            self._asking[key] = []
            nursery.start_soon(self._renew, key, credential)
        if left <= LEAST_SECONDS:
            self._asking[key].append(message.reply_to)

    async def _renew(self, key: Key, credential: Credential) -> None:
        try:
            token = await self._fetch(key, credential)
        except Exception as error:  # noqa: BLE001 - it is raised in those who ask
            log.warning("no token", action="github_token", credential=key[0], why=str(error))
            for reply in self._asking.pop(key):
                reply.fail(error)
        else:
            self._tokens[key] = token
            for reply in self._asking.pop(key):
                reply.send(token.identity)

    async def _fetch(self, key: Key, credential: Credential) -> _Token:
        installation = credential.installation_id
        if installation is None:
            installation = self._installations.get(key) or await self._look_up(key[1], credential)
            self._installations[key] = installation
        path = f"/app/installations/{installation}/access_tokens"
        answer = await self._ask_as_app(
            # A second token does no harm, so a lost answer is simply asked for again.
            Request("POST", path, kind="app_token", priority=Priority.DISPATCH, repeatable=True),
            credential,
        )
        lasts = _ends(answer.data) - served_at(answer.headers, self._desk.wall())
        identity = Identity(
            f"app-{credential.app_id}-{installation}", Authorization("token", answer.data["token"])
        )
        return _Token(identity, trio.current_time() + lasts)

    async def _look_up(self, account: str | None, credential: Credential) -> int:
        for owners in ("orgs", "users"):
            request = Request(
                "GET",
                f"/{owners}/{account}/installation",
                kind="app_installation",
                priority=Priority.DISPATCH,
            )
            try:
                return int((await self._ask_as_app(request, credential)).data["id"])
            except GitHubRefused as error:
                if error.status != NOT_FOUND:
                    raise
        raise GitHubRefused(NOT_FOUND, f"the App {credential.app_id} is not installed at {account}")


def _ends(data: Any) -> float:  # noqa: ANN401 - JSON
    try:
        text = str(data["expires_at"])
        return datetime.fromisoformat(text).timestamp()
    except (KeyError, TypeError, ValueError) as error:
        raise GitHubUnavailable(f"an installation token without an end: {error}") from None
