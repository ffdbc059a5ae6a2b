"""Read a list of GitHub, whole, unless none of its pages has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runnerhub.actors.github.sync_desk import PATIENCE_SECONDS, SyncDesk
from runnerhub.model.budget import Priority
from runnerhub.model.github_sync import Kind, Raw, listed
from runnerhub.model.webhook import inner
from runnerhub.model.webhook_job import text
from runnerhub.ports.github import Credential, Request, Response
from runnerhub.ports.github_state import ListPage, Look

UNCHANGED = 304
PER_PAGE: Mapping[Kind, int] = {
    Kind.REPOSITORIES: 100,
    Kind.WORKFLOWS: 100,
    Kind.RUNNERS: 100,
    Kind.RUNS: 50,
}
MOST_PAGES: Mapping[Kind, int] = {
    Kind.REPOSITORIES: 100,
    Kind.WORKFLOWS: 10,
    Kind.RUNNERS: 100,
    Kind.RUNS: 1,
}
MOST_INSTALLATIONS_PAGES = 10


@dataclass(frozen=True, slots=True)
class Found:
    """What a list has.

    Attributes:
        pages: to ask with the next time.
        cut: whether it goes on behind what was read.
    """

    items: Sequence[Raw]
    pages: tuple[ListPage, ...]
    cut: bool


async def read_list(desk: SyncDesk, look: Look) -> Found | None:
    """Return what a list has; None when nothing has changed since the look. Raises as `call`."""
    request = _request(desk, look)
    first: Response | None = None
    for number, page in enumerate(look.pages, 1):
        if page.etag is None:
            break
        again = replace(request, etag=page.etag, params={**request.params, "page": number})
        answer = await desk.github.call(again)
        if answer.status != UNCHANGED:
            first = answer if number == 1 else None
            break
    else:
        # A full last page does not say when another comes to follow it.
        if look.pages and (look.kind is Kind.RUNS or look.pages[-1].count < PER_PAGE[look.kind]):
            return None
    request = replace(request, params={**request.params, "page": 1})
    answer = first or await desk.github.call(request)
    items: list[Raw] = []
    pages: list[ListPage] = []
    while True:
        found = listed(look.kind, answer.data)
        items += found
        pages.append(ListPage(answer.headers.get("etag"), len(found)))
        if answer.next is None or len(pages) >= MOST_PAGES[look.kind]:
            return Found(_ours(desk, look, items), tuple(pages), cut=answer.next is not None)
        account = _account_of(look)
        request = replace(request, path=answer.next, params={}, account=account)
        answer = await desk.github.call(request)


async def sources(desk: SyncDesk) -> Sequence[str]:
    """Return the lists of repositories that the credentials see. Raises as `call`."""
    found = []
    for credential in desk.credentials:
        if credential.token is not None or credential.installation_id is not None:
            found.append(credential.name)
        else:
            accounts = await _accounts(desk, credential)
            found += [f"{credential.name}/{account}" for account in accounts]
    return found


def _account_of(look: Look) -> str | None:
    """Return the owner that a look concerns."""
    owner, _, rest = look.scope.partition("/")
    return (rest or None) if look.kind is Kind.REPOSITORIES else owner


def _request(desk: SyncDesk, look: Look) -> Request:
    credential = None
    if look.kind is Kind.REPOSITORIES:
        credential = look.scope.partition("/")[0]
        token = any(each.name == credential and each.token for each in desk.credentials)
        path = "/user/repos" if token else "/installation/repositories"
    elif "/" in look.scope:
        path = f"/repos/{look.scope}/actions/{look.kind}"
    else:
        path = f"/orgs/{look.scope}/actions/{look.kind}"
    return Request(
        "GET",
        path,
        {"per_page": PER_PAGE[look.kind]},
        kind=f"sync_{look.kind}",
        priority=Priority.SYNC,
        account=_account_of(look),
        credential=credential,
        patience=PATIENCE_SECONDS,
        cached=False,
    )


def _ours(desk: SyncDesk, look: Look, items: Sequence[Raw]) -> Sequence[Raw]:
    """Leave out the repositories of owners that the credential does not serve."""
    if look.kind is not Kind.REPOSITORIES:
        return items
    name = look.scope.partition("/")[0]
    accounts = next((each.accounts for each in desk.credentials if each.name == name), frozenset())
    return [
        item
        for item in items
        if not accounts or (text(item.get("full_name")) or "").partition("/")[0].lower() in accounts
    ]


async def _accounts(desk: SyncDesk, credential: Credential) -> Sequence[str]:
    """Return the owners at which an App is installed, of those that the credential serves."""
    found: list[str] = []
    for page in range(1, MOST_INSTALLATIONS_PAGES + 1):
        request = Request(
            "GET",
            "/app/installations",
            {"per_page": 100, "page": page},
            kind="installations",
            patience=PATIENCE_SECONDS,
            cached=False,
        )
        if desk.app is None:
            return found
        answer = await desk.app.call_as_app(request, credential)
        for each in _objects(answer.data):
            login = text(inner(each, "account").get("login"))
            if login is None or each.get("suspended_at"):
                continue
            if not credential.accounts or login.lower() in credential.accounts:
                found.append(login)
        if answer.next is None:
            break
    return found


def _objects(data: Any) -> list[Raw]:  # noqa: ANN401 - JSON
    return [each for each in data if isinstance(each, Mapping)] if isinstance(data, list) else []
