"""Admin tokens of the scale-set service, one for each scope, fetched once however many ask."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import jwt
import trio

from runnerhub.adapters.github.scale_set_answers import a_text, decode, refused
from runnerhub.model.budget import Priority
from runnerhub.ports.github import (
    GitHub,
    GitHubNotConfigured,
    GitHubRefused,
    GitHubUnavailable,
    RateLimited,
    Request,
)
from runnerhub.ports.scale_sets import ScaleSetRefused, ScaleSetsUnavailable

AHEAD_SECONDS = 60.0
REGISTRATION_SECONDS = 3600.0 - 300.0
SHORT_SECONDS = 300.0  # for a token that does not say how long it lasts
PATIENCE_SECONDS = 60.0
_REFUSALS = frozenset({401, 403, 404})

Send = Callable[[str, httpx.URL, dict[str, str], Any], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """Where the service is for a scope, and the token for it; `renew_at` is of trio's clock."""

    url: str
    token: str = field(repr=False)
    renew_at: float


class AdminTokens:
    """Fetch and keep them.

    Args:
        github: the gateway, for registration tokens.
        api_url: of GitHub.
        send: sends one request.
    """

    def __init__(self, github: GitHub, api_url: str, send: Send) -> None:
        self._github = github
        self._api_url = api_url.rstrip("/")
        self._send = send
        self._access: dict[str, Access] = {}
        self._registration: dict[str, tuple[str, float]] = {}
        self._locks: defaultdict[str, trio.Lock] = defaultdict(trio.Lock)

    async def of(self, scope: str) -> Access:
        """Return access that is good for a while.

        Raises:
            ScaleSetsUnavailable: GitHub, or its budget, gave no answer.
            ScaleSetRefused: GitHub says no.
        """
        async with self._locks[scope]:
            found = self._access.get(scope)
            if found is None or trio.current_time() >= found.renew_at:
                found = self._access[scope] = await self._fetch(scope)
            return found

    def distrust(self, scope: str, access: Access) -> None:
        """Forget an access that was refused, unless another is there by now."""
        if self._access.get(scope) is access:
            del self._access[scope]

    async def _fetch(self, scope: str) -> Access:
        for renewed in (False, True):
            token = await self._registration_token(scope)
            url = httpx.URL(f"{self._api_url}/actions/runner-registration")
            body = {"url": config_url(self._api_url, scope), "runner_event": "register"}
            headers = {"authorization": f"RemoteAuth {token}"}
            answer = await self._send("POST", url, headers, body)
            if answer.status_code in _REFUSALS and not renewed:
                self._registration.pop(scope, None)
                continue
            if answer.is_error:
                raise refused(answer)
            data = decode(answer)
            admin = a_text(data, "token")
            where = a_text(data, "url").rstrip("/") + "/"
            if urlsplit(where).scheme != urlsplit(self._api_url).scheme:
                raise ScaleSetRefused(0, "", f"{where} is less safe than {self._api_url}")
            return Access(where, admin, trio.current_time() + _lasts(admin) - AHEAD_SECONDS)
        raise AssertionError("the second round returns or raises")

    async def _registration_token(self, scope: str) -> str:
        kept = self._registration.get(scope)
        if kept is not None and trio.current_time() < kept[1]:
            return kept[0]
        asked_at = trio.current_time()
        request = Request(
            "POST",
            f"{scope}/actions/runners/registration-token",
            kind="registration_token",
            priority=Priority.DISPATCH,
            repeatable=True,
            patience=PATIENCE_SECONDS,
        )
        try:
            answer = await self._github.call(request)
        except GitHubRefused as error:
            raise ScaleSetRefused(error.status, "", str(error)) from error
        except GitHubNotConfigured as error:
            raise ScaleSetRefused(0, "", str(error)) from error
        except (GitHubUnavailable, RateLimited) as error:
            raise ScaleSetsUnavailable(str(error)) from error
        token = a_text(answer.data, "token")
        self._registration[scope] = (token, asked_at + REGISTRATION_SECONDS)
        return token


def config_url(api_url: str, scope: str) -> str:
    """Return the address of a scope for people, by that of the API."""
    parts = urlsplit(api_url)
    path = parts.path.rstrip("/").removesuffix("/api/v3")
    host = parts.netloc if path != parts.path.rstrip("/") else parts.netloc.removeprefix("api.")
    kind, _, name = scope.lstrip("/").partition("/")
    below = f"enterprises/{name}" if kind == "enterprises" else name
    return urlunsplit((parts.scheme, host, f"{path}/{below}", "", ""))


def _lasts(token: str) -> float:
    """Return how long a JWT lasts; by its own two times, so that clocks may differ."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
        return float(claims["exp"] - claims["iat"])
    except (jwt.PyJWTError, KeyError, TypeError):
        return SHORT_SECONDS
