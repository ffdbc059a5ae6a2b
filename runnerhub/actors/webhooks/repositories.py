"""Which repositories the credentials see."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import structlog

from runnerhub.model.budget import Priority
from runnerhub.model.webhook_job import text
from runnerhub.ports.github import Credential, GitHub, GitHubRefused, Request
from runnerhub.ports.github_events import GitHubApp

log = structlog.get_logger(__name__)

MOST_PAGES = 10
MOST_INSTALLATIONS = 100


async def visible_repositories(
    github: GitHub, app: GitHubApp | None, credentials: Sequence[Credential]
) -> Sequence[str]:
    """Return the full names of what is not archived, each once.

    A refusal hides what one credential sees, and is logged. Raises GitHub's other errors.
    """
    found: dict[str, None] = {}
    for credential in credentials:
        try:
            async for name in _visible(github, app, credential):
                found[name] = None
        except GitHubRefused as error:
            log.warning(
                "repositories cannot be listed",
                action="repositories_refused",
                credential=credential.name,
                why=str(error),
            )
    return list(found)


async def _visible(
    github: GitHub, app: GitHubApp | None, credential: Credential
) -> AsyncIterator[str]:
    if credential.token is not None:
        request = _listing("/user/repos", credential, None)
        request = replace(request, params={**request.params, "sort": "pushed"})
        async for name in _names(github, request):
            yield name
        return
    accounts: Sequence[str | None] = [None]
    if credential.installation_id is None and app is not None:
        accounts = await _accounts(app, credential)
    for account in accounts:
        async for name in _names(
            github, _listing("/installation/repositories", credential, account)
        ):
            yield name


async def _names(github: GitHub, request: Request) -> AsyncIterator[str]:
    async for page in github.pages(request, MOST_PAGES):
        listed: Any = page.data
        if isinstance(listed, dict):
            listed = listed.get("repositories")
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict) and not (each.get("archived") or each.get("disabled")):
                name = text(each.get("full_name"))
                if name is not None:
                    yield name


async def _accounts(app: GitHubApp, credential: Credential) -> Sequence[str]:
    request = Request(
        "GET",
        "/app/installations",
        {"per_page": MOST_INSTALLATIONS},
        kind="installations",
        priority=Priority.RECONCILE,
        patience=30.0,
        cached=False,
    )
    answer = await app.call_as_app(request, credential)
    found = []
    for each in answer.data if isinstance(answer.data, list) else ():
        account = each.get("account") if isinstance(each, dict) else None
        login = text(account.get("login")) if isinstance(account, dict) else None
        if login is None or each.get("suspended_at"):
            continue
        if not credential.accounts or login.lower() in credential.accounts:
            found.append(login)
    return found


def _listing(path: str, credential: Credential, account: str | None) -> Request:
    return Request(
        "GET",
        path,
        {"per_page": 100},
        kind="repositories",
        priority=Priority.RECONCILE,
        account=account,
        credential=credential.name,
        patience=30.0,
    )
