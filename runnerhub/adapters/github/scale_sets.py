"""The scale-set service over HTTP.

    gateway: registration token (an hour) ─▶ admin token, and the address of the service
                                               └─▶ session ─▶ queue, with a token of its own

Only the first of these draws on the REST budget. What may be sent twice is, when its answer is
lost; an admin token that is refused is replaced once.
"""

import ssl
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import httpx
import trio

from runnerhub.adapters.github.scale_set_answers import (
    a_list,
    a_number,
    a_text,
    decode,
    refused,
    scale_set,
    session_of,
)
from runnerhub.adapters.github.scale_set_tokens import AdminTokens
from runnerhub.model.scale_set_job import Message, read_message
from runnerhub.ports.github import GitHub
from runnerhub.ports.runners import Registration
from runnerhub.ports.scale_sets import (
    QueueTokenExpired,
    ScaleSet,
    ScaleSetRefused,
    ScaleSetsUnavailable,
    Session,
    SessionConflict,
    SessionLost,
)

VERSION = "6.0-preview"
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
POLL_SECONDS = 90.0  # the service answers after about 50
MOST_TRIES = 3
FIRST_PAUSE = 0.2
_SETS = "_apis/runtime/runnerscalesets"
_AGENTS = "_apis/distributedtask/pools/0/agents"
_ACCEPT = {"accept": f"application/json; api-version={VERSION}"}
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_MANY = 401, 403, 404, 409, 429
_SERVER_ERROR = 500


class HttpScaleSets:
    """`ports.scale_sets.ScaleSets`. `close` it at the end.

    Args:
        github: the gateway, for registration tokens.
        api_url: of GitHub, such as https://api.github.com.
        transport: stands in for the network, in tests.
        verify: for TLS to a server with a certificate of its own.
    """

    def __init__(
        self,
        github: GitHub,
        api_url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._client = httpx.AsyncClient(
            transport=transport,
            verify=verify,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        )
        self._tokens = AdminTokens(github, api_url, self._send)

    async def close(self) -> None:
        """Close the connections; harmless when repeated."""
        await self._client.aclose()

    async def find(self, scope: str, name: str, group: int) -> ScaleSet | None:
        """Return the scale set of this name in a runner group; None when there is none."""
        params: dict[str, str | int] = {"runnerGroupId": group, "name": name}
        data = await self._ask(scope, "GET", _SETS, params)
        found = (scale_set(each) for each in a_list(data))
        return next((each for each in found if each.name == name), None)

    async def create(self, scope: str, name: str, group: int, labels: Sequence[str]) -> ScaleSet:
        """Make a scale set; one that is there already by this name is returned."""
        body = {
            "name": name,
            "runnerGroupId": group,
            "labels": [{"type": "System", "name": label} for label in labels],
            "RunnerSetting": {"disableUpdate": True},
        }
        try:
            return scale_set(await self._ask(scope, "POST", _SETS, body=body))
        except ScaleSetRefused as error:
            there = await self.find(scope, name, group) if error.status == _CONFLICT else None
            if there is None:
                raise
            return there

    async def open_session(self, scope: str, scale_set: int, owner: str) -> Session:
        """Open a session. Where the answer is lost one may be open."""
        path = f"{_SETS}/{scale_set}/sessions"
        try:
            data = await self._ask(scope, "POST", path, body={"ownerName": owner})
        except ScaleSetRefused as error:
            if error.status == _CONFLICT:
                raise SessionConflict(str(error)) from None
            raise
        return session_of(data, scope, scale_set)

    async def refresh_session(self, session: Session) -> Session:
        """Return the session with a new token."""
        path = f"{_SETS}/{session.scale_set}/sessions/{session.id}"
        try:
            data = await self._ask(session.scope, "PATCH", path, repeat=True)
        except ScaleSetRefused as error:
            raise SessionLost(str(error)) from None
        fresh = session_of(data, session.scope, session.scale_set)
        # The address may be left out of the answer.
        return replace(fresh, queue_url=fresh.queue_url or session.queue_url)

    async def close_session(self, scope: str, scale_set: int, session_id: str) -> None:
        """Close the session of this id; harmless when it is over."""
        path = f"{_SETS}/{scale_set}/sessions/{session_id}"
        try:
            await self._ask(scope, "DELETE", path)
        except ScaleSetRefused as error:
            if error.status != _NOT_FOUND:
                raise

    async def poll(self, session: Session, after: int, capacity: int) -> Message | None:
        """Wait for a message, the first after this id, or one that comes again; None without."""
        url = httpx.URL(session.queue_url).copy_merge_params({"lastMessageId": str(after)})
        headers = {"X-ScaleSetMaxCapacity": str(capacity)}
        answer = await self._queue(session, "GET", url, headers=headers, seconds=POLL_SECONDS)
        data = decode(answer)
        if data is None:
            return None
        message = read_message(data)
        if message is None:
            raise ScaleSetsUnavailable("the service sent a message without a number")
        return message

    async def acknowledge(self, session: Session, message_id: int) -> None:
        """Delete a message; harmless when it is gone."""
        url = httpx.URL(session.queue_url)
        url = url.copy_with(path=f"{url.path}/{message_id}")
        try:
            await self._queue(session, "DELETE", url, repeat=True)
        except ScaleSetRefused as error:
            if error.status != _NOT_FOUND:
                raise

    async def acquire(self, session: Session, requests: Collection[int]) -> Sequence[int]:
        """Take jobs that were offered; return those that are ours now."""
        access = await self._tokens.of(session.scope)
        url = httpx.URL(f"{access.url}{_SETS}/{session.scale_set}/acquirejobs")
        url = url.copy_merge_params({"api-version": VERSION})
        body = sorted(requests)
        answer = await self._queue(session, "POST", url, body=body, repeat=True)
        return [each for each in a_list(decode(answer)) if isinstance(each, int)]

    async def register(self, scope: str, scale_set: int, name: str) -> Registration:
        """Register a just-in-time runner; never repeated."""
        path = f"{_SETS}/{scale_set}/generatejitconfig"
        data = await self._ask(scope, "POST", path, body={"name": name, "workFolder": "_work"})
        runner = data.get("runner") if isinstance(data, dict) else None
        return Registration(a_number(runner, "id"), a_text(data, "encodedJITConfig"))

    async def deregister(self, scope: str, name: str) -> bool:
        """Deregister the runner of this very name; tell whether none is left: false when busy."""
        data = await self._ask(scope, "GET", _AGENTS, {"agentName": name})
        # The name is compared once more, in case the filter is not heeded.
        agents = [each for each in a_list(data) if str(each.get("name")).lower() == name.lower()]
        for agent in agents:
            try:
                await self._ask(scope, "DELETE", f"{_AGENTS}/{a_number(agent, 'id')}")
            except ScaleSetRefused as error:
                if "JobStillRunning" in error.kind:
                    return False
                if error.status != _NOT_FOUND:
                    raise
        return True

    async def _ask(
        self,
        scope: str,
        method: str,
        path: str,
        params: dict[str, str | int] | None = None,
        *,
        body: Any = None,  # noqa: ANN401 - JSON
        repeat: bool | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """Ask the service with an admin token; a new one, once, where it is not taken."""
        query = {name: str(value) for name, value in (params or {}).items()}
        again = method in {"GET", "DELETE"} if repeat is None else repeat
        for renewed in (False, True):
            access = await self._tokens.of(scope)
            url = httpx.URL(access.url + path).copy_merge_params({**query, "api-version": VERSION})
            answer = await self._repeat(
                method, url, {"authorization": f"Bearer {access.token}"}, body, again=again
            )
            if answer.status_code in {_UNAUTHORIZED, _FORBIDDEN} and not renewed:
                self._tokens.distrust(scope, access)
                continue
            if answer.is_error:
                raise refused(answer)
            return decode(answer)
        raise AssertionError("the second round returns or raises")

    async def _queue(
        self,
        session: Session,
        method: str,
        url: httpx.URL,
        *,
        headers: dict[str, str] | None = None,
        body: Any = None,  # noqa: ANN401 - JSON
        repeat: bool = False,
        seconds: float = ANSWER_SECONDS,
    ) -> httpx.Response:
        signed = _ACCEPT | {"authorization": f"Bearer {session.queue_token}"} | (headers or {})
        answer = await self._repeat(method, url, signed, body, again=repeat, seconds=seconds)
        if answer.status_code == _UNAUTHORIZED:
            raise QueueTokenExpired("the token of the queue is not good any more")
        if answer.is_error:
            raise refused(answer)
        return answer

    async def _repeat(
        self,
        method: str,
        url: httpx.URL,
        headers: dict[str, str],
        body: Any,  # noqa: ANN401 - JSON
        *,
        again: bool,
        seconds: float = ANSWER_SECONDS,
    ) -> httpx.Response:
        for attempt in range(1, MOST_TRIES + 1):
            try:
                return await self._send(method, url, headers, body, seconds)
            except ScaleSetsUnavailable:
                if not again or attempt == MOST_TRIES:
                    raise
            await trio.sleep(FIRST_PAUSE * 2**attempt)
        raise AssertionError("the last round returns or raises")

    async def _send(
        self,
        method: str,
        url: httpx.URL,
        headers: dict[str, str],
        body: Any = None,  # noqa: ANN401 - JSON
        seconds: float = ANSWER_SECONDS,
    ) -> httpx.Response:
        """Send one request once. Raises ScaleSetsUnavailable, also for 5xx and for limits."""
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        try:
            answer = await self._client.request(
                method, url, json=body, headers=headers, timeout=timeout
            )
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            words = str(error) or type(error).__name__
            raise ScaleSetsUnavailable(f"the scale-set service broke off: {words}") from error
        status = answer.status_code
        limited = status == _TOO_MANY or (status == _FORBIDDEN and "retry-after" in answer.headers)
        if limited or status >= _SERVER_ERROR:
            raise ScaleSetsUnavailable(f"the scale-set service answers {status}")
        return answer
