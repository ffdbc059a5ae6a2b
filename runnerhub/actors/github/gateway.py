"""The gateway: one call is a turn in its bucket, an identity, a request, and what is learned of it.

The request runs in the caller's task. Whatever becomes of it, the bucket is told.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import structlog
import trio

from runnerhub.actors.github.cache import AnswerCache
from runnerhub.actors.github.desk import Desk, account_of
from runnerhub.actors.github.messages import CREDENTIALS, Distrust, Identify, Identity
from runnerhub.actors.github.turns import Turns, tell_or_not
from runnerhub.model.budget import Bucket
from runnerhub.model.limit_headers import Refusal, refusal, reported
from runnerhub.model.permit import Settlement
from runnerhub.ports.errors import PortError
from runnerhub.ports.github import (
    Authorization,
    Credential,
    GitHubNotConfigured,
    GitHubRefused,
    GitHubUnavailable,
    RateLimited,
    Request,
    Response,
)
from runnerhub.runtime import ActorDied, AskTimeout, Backoff, MailboxFull

log = structlog.get_logger(__name__)

MOST_TRIES = 5
SEND_SECONDS = 90.0
TOKEN_SECONDS = 60.0
FIRST_REDIRECT, UNCHANGED, UNAUTHORIZED, FIRST_BROKEN = 300, 304, 401, 500
REDIRECTS = frozenset({301, 302, 307, 308})  # a repository that was renamed

Identifying = Callable[[], Awaitable[Identity]]


class Gateway:
    """The only way to GitHub. See `ports.github.GitHub`.

    Args:
        desk: what the gateway's actors share.
        turns: how a call gets its permit.
        cache: of answers.
    """

    def __init__(self, desk: Desk, turns: Turns, cache: AnswerCache) -> None:
        self._desk = desk
        self._turns = turns
        self._cache = cache
        self._resources: dict[tuple[str, str], str] = {}
        self._backoff = Backoff(first=0.5, cap=20.0, jitter=0.5)
        self._rng = random.Random(random.getrandbits(64))  # noqa: S311 - jitter; replays when seeded

    async def call(self, request: Request) -> Response:
        """Make a request within the budget and return its answer, 2xx."""
        credential = self._desk.credential_for(request)

        async def identify() -> Identity:
            return await self._identity(credential, account_of(request))

        if request.method != "GET" or not request.cached:
            return await self._send(request, identify, request.etag)
        return await self._cache.answer(
            _whose(credential, request), request, lambda etag: self._send(request, identify, etag)
        )

    async def pages(self, request: Request, most: int = 100) -> AsyncIterator[Response]:
        """Make a request, and follow its links to further pages, so many at most."""
        account = account_of(request)
        for _ in range(most):
            answer = await self.call(request)
            yield answer
            if answer.next is None:
                return
            request = replace(request, path=answer.next, params={}, account=account)

    async def stale(self, tags: Sequence[str]) -> None:
        """Make cached answers with any of these tags stale, in all tiers."""
        await self._cache.stale(tags)

    async def call_as_app(self, request: Request, credential: Credential) -> Response:
        """Make a request signed by the App itself."""
        signer = credential.signer
        if signer is None:
            raise GitHubNotConfigured(f"{credential.name} is no GitHub App")

        async def identify() -> Identity:
            key = f"app-{credential.app_id}"
            return Identity(key, Authorization("bearer", signer.sign()))

        return await self._send(request, identify)

    async def _send(
        self, request: Request, identify: Identifying, etag: str | None = None
    ) -> Response:
        give_up_at = trio.current_time() + request.patience
        renewed = False
        attempt = 0
        while True:
            attempt += 1
            identity = await identify()
            try:
                answer, refused = await self._once(request, identity, etag, give_up_at)
            except GitHubUnavailable as error:
                if error.sent and not request.safe_to_repeat:
                    raise
                await self._pause(attempt, give_up_at, error, "lost")
                continue
            if answer.status < FIRST_REDIRECT or answer.status == UNCHANGED:
                return answer
            if refused is not None and attempt < MOST_TRIES:
                self._desk.statistics.retries["limited"] += 1  # the bucket knows how long to wait
            elif answer.status == UNAUTHORIZED and not renewed and self._distrust(identity):
                self._desk.statistics.retries["token"] += 1
                renewed = True
            elif answer.status in REDIRECTS and attempt < MOST_TRIES:
                request = replace(request, path=answer.headers.get("location", ""), params={})
            else:
                failure = _failure(answer, refused)
                if not isinstance(failure, GitHubUnavailable) or not request.safe_to_repeat:
                    raise failure
                await self._pause(attempt, give_up_at, failure, "5xx")

    async def _pause(
        self, attempt: int, give_up_at: float, error: GitHubUnavailable, why: str
    ) -> None:
        delay = self._backoff.delay(attempt, self._rng)
        if attempt >= MOST_TRIES or trio.current_time() + delay >= give_up_at:
            raise error
        self._desk.statistics.retries[why] += 1
        log.info("GitHub again", action="github_retry", attempt=attempt, why=str(error))
        await trio.sleep(delay)

    async def _once(
        self, request: Request, identity: Identity, etag: str | None, give_up_at: float
    ) -> tuple[Response, Refusal | None]:
        resource = self._resources.get((identity.key, request.kind), "core")
        bucket = Bucket(identity.key, resource)
        turn = await self._turns.take(bucket, request, give_up_at)
        done = Settlement(turn.permit, bucket)
        status = "lost"
        try:
            answer = await self._transmit(request, identity, etag)
            done, refused = self._learn(done, answer)
            if done.counted_in is not None:
                self._resources[identity.key, request.kind] = done.counted_in.resource
            status = "limited" if refused else _status_class(answer.status)
        except GitHubUnavailable as error:
            done = replace(done, charged=error.sent)
            raise
        else:
            return answer, refused
        finally:
            self._desk.statistics.note_request(request.kind, status)
            turn.settle(done)

    async def _transmit(self, request: Request, identity: Identity, etag: str | None) -> Response:
        with trio.move_on_after(SEND_SECONDS):
            return await self._desk.transport.send(request, identity.authorization, etag)
        raise GitHubUnavailable(f"no answer of GitHub within {SEND_SECONDS:g} s")

    def _learn(self, done: Settlement, answer: Response) -> tuple[Settlement, Refusal | None]:
        refused = refusal(answer.status, answer.headers, _message(answer.data))
        said = reported(answer.headers, self._desk.wall())
        return replace(
            done,
            charged=answer.status != UNCHANGED,
            counted_in=Bucket(done.bucket.credential, said[0]) if said else None,
            reported=said[1] if said else None,
            answered=refused is None and answer.status < FIRST_BROKEN,
            refused=refused is not None and refused.secondary,
            retry_after=refused.retry_after if refused else None,
        ), refused

    async def _identity(self, credential: Credential, account: str | None) -> Identity:
        if credential.token is not None:
            return Identity(credential.name, Authorization("token", credential.token))
        registry = self._desk.registry
        if registry is None:
            raise GitHubUnavailable("the gateway has not started", sent=False)
        try:
            return await registry.ref(CREDENTIALS).ask(
                lambda reply: Identify(credential, account, reply), TOKEN_SECONDS
            )
        except (ActorDied, AskTimeout, MailboxFull) as error:
            raise GitHubUnavailable(f"no installation token: {error}", sent=False) from error

    def _distrust(self, identity: Identity) -> bool:
        """Forget a token; tell whether there may be another."""
        if not identity.key.startswith("app-") or self._desk.registry is None:
            return False
        ref = self._desk.registry.whereis(CREDENTIALS)
        return ref is not None and tell_or_not(ref, Distrust(identity))


def _whose(credential: Credential, request: Request) -> str:
    if credential.token is None and credential.installation_id is None:
        return f"{credential.name}/{account_of(request)}"
    return credential.name


def _failure(answer: Response, refused: Refusal | None) -> PortError:
    if refused is not None:
        why = "silence" if refused.secondary else "budget"
        return RateLimited(why, refused.retry_after or 60.0)
    words = _message(answer.data)
    if answer.status >= FIRST_BROKEN:
        return GitHubUnavailable(f"GitHub answers {answer.status}: {words}")
    return GitHubRefused(answer.status, words, answer.data)


def _message(data: Any) -> str:  # noqa: ANN401 - JSON
    return str(data.get("message", "")) if isinstance(data, dict) else ""


def _status_class(status: int) -> str:
    return "304" if status == UNCHANGED else f"{status // 100}xx"
