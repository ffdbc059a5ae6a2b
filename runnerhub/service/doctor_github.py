"""What `doctor` looks at of GitHub, without a gateway: few requests, and no budget to share."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runnerhub.actors.github.checkup import check_credential
from runnerhub.adapters.github import HttpTransport
from runnerhub.config import Settings
from runnerhub.errors import RunnerHubError
from runnerhub.model.check import Check
from runnerhub.model.limit_headers import refusal
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
from runnerhub.runtime import shielded
from runnerhub.service.engines import CLOSE_SECONDS
from runnerhub.service.github import credentials_of
from runnerhub.service.github_check import asked_of

NOT_CONFIGURED = "GitHub is not configured: set [github] token, or app_id and private_key_file"
FIRST_REFUSED, FIRST_BROKEN = 300, 500


class Direct:
    """Ask GitHub, once each, with what the credentials are (`actors.github.checkup.Asker`)."""

    def __init__(self, transport: HttpTransport, credentials: tuple[Credential, ...]) -> None:
        self._transport = transport
        self._by_name = {credential.name: credential for credential in credentials}

    async def call(self, request: Request) -> Response:
        """Make a request with a token."""
        token = self._by_name[request.credential or ""].token
        if token is None:
            raise GitHubNotConfigured("an App asks as an App only")
        return await self._send(request, Authorization("token", token))

    async def call_as_app(self, request: Request, credential: Credential) -> Response:
        """Make a request signed by the App."""
        if credential.signer is None:
            raise GitHubNotConfigured(f"{credential.name} is no GitHub App")
        return await self._send(request, Authorization("bearer", credential.signer.sign()))

    async def _send(self, request: Request, authorization: Authorization) -> Response:
        answer = await self._transport.send(request, authorization)
        if answer.status < FIRST_REFUSED:
            return answer
        message = answer.data.get("message", "") if isinstance(answer.data, dict) else ""
        if refused := refusal(answer.status, answer.headers, str(message)):
            raise RateLimited("silence", refused.retry_after or 60.0)
        if answer.status >= FIRST_BROKEN:
            raise GitHubUnavailable(f"GitHub answers {answer.status}: {message}")
        raise GitHubRefused(answer.status, str(message), answer.data)


async def check_github(settings: Settings) -> AsyncIterator[Check]:
    """Look at GitHub, its credentials and the webhooks."""
    if not settings.github.all_credentials:
        wanting = [f"pool {each.name}" for each in settings.pools if each.scope]
        wanting += [f"scale set {each.name}" for each in settings.scale_sets]
        words = f"; nothing comes of {', '.join(wanting)} without it" if wanting else ""
        yield Check("github", ok=not wanting, detail=NOT_CONFIGURED + words)
        return
    try:
        credentials = credentials_of(settings.github)
    except RunnerHubError as error:
        yield Check("github", ok=False, detail=str(error))
        return
    yield Check("github", ok=True, detail=f"configured, at {settings.github.api_url}")
    async with _direct(settings, credentials) as direct:
        for asked in asked_of(settings, credentials):
            for check in await check_credential(direct, asked, time.time):
                yield check
    secrets = len(settings.github.webhook_secrets)
    words = f"{secrets} secret{'s' * (secrets != 1)} set"
    if not secrets:
        words = "no secret is set, so webhooks are refused: RUNNERHUB_GITHUB_WEBHOOK_SECRETS"
        words += "; scale sets need none" if settings.scale_sets else ""
    yield Check("webhooks", ok=secrets > 0 or bool(settings.scale_sets), detail=words)


@asynccontextmanager
async def _direct(settings: Settings, credentials: tuple[Credential, ...]) -> AsyncIterator[Direct]:
    transport = HttpTransport(settings.github.api_url)
    try:
        yield Direct(transport, credentials)
    finally:
        with shielded(CLOSE_SECONDS):
            await transport.close()
