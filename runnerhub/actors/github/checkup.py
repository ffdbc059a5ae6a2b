"""Look whether GitHub takes the credentials, and lets them do what the configuration asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from runnerhub.model.budget import Priority
from runnerhub.model.check import Check
from runnerhub.model.github_permissions import (
    ENTERPRISES,
    Need,
    lacking,
    lacking_scopes,
    scopes_of,
)
from runnerhub.model.limit_headers import served_at
from runnerhub.model.webhook import inner
from runnerhub.model.webhook_job import text
from runnerhub.ports.errors import PortError
from runnerhub.ports.github import (
    Credential,
    GitHubNotConfigured,
    GitHubRefused,
    GitHubUnavailable,
    RateLimited,
    Request,
    Response,
)

UNAUTHORIZED, NOT_FOUND = 401, 404
MOST_SKEW_SECONDS = 30.0
MOST_PAGES = 10
PATIENCE_SECONDS = 30.0
SCOPES = "x-oauth-scopes"
EVENT = "workflow_job"


class Asker(Protocol):
    """Asks GitHub. The gateway does; so does who has none."""

    async def call(self, request: Request) -> Response:
        """Make a request. Raises as `GitHub.call`."""

    async def call_as_app(self, request: Request, credential: Credential) -> Response:
        """Make a request signed by the App. Raises as `GitHub.call`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the configuration asks of a credential.

    Attributes:
        webhooks: whether they are taken.
    """

    credential: Credential
    needs: Sequence[Need]
    webhooks: bool


async def check_credential(asker: Asker, asked: Asked, wall: Callable[[], float]) -> list[Check]:
    """Look at a credential. It raises nothing but cancellation.

    Args:
        asker: asks GitHub.
        asked: of the credential.
        wall: Unix seconds.
    """
    credential = asked.credential
    name = f"github:{credential.name}"
    try:
        if credential.token is None:
            answer = await asker.call_as_app(_get("/app", credential), credential)
        else:
            answer = await _ask_limits(asker, credential)
    except RateLimited as error:
        return [Check(name, ok=True, detail=f"it answers, and asks to wait: {error}")]
    except (PortError, GitHubNotConfigured) as error:
        return [Check(name, ok=False, detail=_words(error, credential))]
    skew = wall() - served_at(answer.headers, wall())
    if abs(skew) > MOST_SKEW_SECONDS:
        ahead = "ahead of" if skew > 0 else "behind"
        words = f"this clock is {abs(skew):.0f} s {ahead} GitHub's: let it be set by NTP"
        found = [Check(name, ok=False, detail=words)]
    else:
        found = [Check(name, ok=True, detail=_who(credential, answer))]
    name += ":permissions"
    try:
        if credential.token is None:
            found.append(await _of_app(asker, asked, answer.data, name))
        elif SCOPES in answer.headers:
            found.append(_of_classic(asked, scopes_of(answer.headers[SCOPES]), name))
        else:
            found.append(await _by_trying(asker, asked, name))
    except (PortError, GitHubNotConfigured) as error:
        found.append(Check(name, ok=False, detail=f"could not be looked at: {error}"))
    return found


async def _ask_limits(asker: Asker, credential: Credential) -> Response:
    try:
        return await asker.call(_get("/rate_limit", credential))
    except GitHubRefused as error:
        if error.status != NOT_FOUND:
            raise
        return await asker.call(_get("/user", credential))  # a server without limits


# ---------------------------------------------------------------- an App


async def _of_app(asker: Asker, asked: Asked, app: Any, name: str) -> Check:  # noqa: ANN401 - JSON
    held = inner(app, "permissions") if isinstance(app, dict) else {}
    if any(need.permission == ENTERPRISES for need in asked.needs):
        words = "no App can register runners of an enterprise: add a token for it"
        return Check(name, ok=False, detail=words)
    if missing := lacking(asked.needs, held, None):
        words = f"the App lacks {_named(missing)}: add it under Permissions & events, then accept"
        return Check(name, ok=False, detail=f"{words} it for each installation")
    if asked.webhooks and EVENT not in (app.get("events") or ()):
        words = f"the App is not subscribed to {EVENT}: add it under Permissions & events"
        return Check(name, ok=False, detail=words)
    troubles: list[str] = []
    seen: set[str] = set()
    for each in await _installations(asker, asked.credential):
        login = text(inner(each, "account").get("login")) or "?"
        seen.add(login.lower())
        if each.get("suspended_at"):
            troubles.append(f"the installation at {login} is suspended: its owner must unsuspend")
        elif missing := lacking(asked.needs, inner(each, "permissions"), login):
            words = f"the installation at {login} lacks {_named(missing)}"
            troubles.append(f"{words}: its owner must accept the App's permissions")
    wanted = set(asked.credential.accounts) | {need.account for need in asked.needs if need.account}
    if asked.credential.installation_id is None:
        troubles += [f"it is not installed at {login}" for login in sorted(wanted - seen)]
    if not seen:
        troubles.append("it is installed nowhere")
    if troubles:
        return Check(name, ok=False, detail="; ".join(troubles))
    return Check(name, ok=True, detail=f"all that is asked, at {', '.join(sorted(seen))}")


async def _installations(asker: Asker, credential: Credential) -> list[dict[str, Any]]:
    if credential.installation_id is not None:
        path = f"/app/installations/{credential.installation_id}"
        answer = await asker.call_as_app(_get(path, credential), credential)
        return [answer.data] if isinstance(answer.data, dict) else []
    found: list[dict[str, Any]] = []
    for page in range(1, MOST_PAGES + 1):
        request = _get("/app/installations", credential, per_page=100, page=page)
        answer = await asker.call_as_app(request, credential)
        for each in answer.data if isinstance(answer.data, list) else ():
            login = text(inner(each, "account").get("login")) if isinstance(each, dict) else None
            if login and (not credential.accounts or login.lower() in credential.accounts):
                found.append(each)
        if answer.next is None:
            break
    return found


# ---------------------------------------------------------------- a token


def _of_classic(asked: Asked, held: frozenset[str], name: str) -> Check:
    missing = lacking_scopes(asked.needs, held)
    if not missing:
        return Check(name, ok=True, detail=f"scopes {', '.join(sorted(held))}: all that is asked")
    scopes = sorted({need.classic[0] for need in missing})
    words = f"the token lacks the scope {', '.join(scopes)}, which is {_named(missing)}"
    return Check(name, ok=False, detail=f"{words}: make one with it")


async def _by_trying(asker: Asker, asked: Asked, name: str) -> Check:
    """Try what can be read: a fine-grained token does not tell what it may."""
    credential = asked.credential
    missing: list[Need] = []
    repository = None
    try:
        answer = await asker.call(_get("/user/repos", credential, per_page=1))
        listed = answer.data if isinstance(answer.data, list) else []
        repository = text(listed[0].get("full_name")) if listed else None
    except GitHubRefused:
        repository = None
    for need in asked.needs:
        if need.probe is None or (need.place is None and repository is None):
            continue
        place = need.place or f"repos/{repository}"
        try:
            await asker.call(_get(f"/{place}{need.probe}", credential, per_page=1))
        except GitHubRefused as error:
            if error.status == UNAUTHORIZED:
                raise
            missing.append(need)
    if missing:
        return Check(name, ok=False, detail=f"the token lacks {_named(missing)}: add it")
    if repository is None and not any(need.place for need in asked.needs):
        return Check(name, ok=False, detail="the token sees no repository: choose some for it")
    writes = [need for need in asked.needs if need.level != "read"]
    words = f"reading works (tried at {repository})"
    if writes:
        words += f"; the token does not tell whether it has {_named(writes)}"
    return Check(name, ok=True, detail=words)


# ---------------------------------------------------------------- words


def _get(path: str, credential: Credential, **params: int) -> Request:
    return Request(
        "GET",
        path,
        params,
        kind="checkup",
        priority=Priority.RECONCILE,
        credential=credential.name,
        patience=PATIENCE_SECONDS,
        cached=False,
    )


def _named(needs: Sequence[Need]) -> str:
    return ", ".join(map(str, needs))


def _who(credential: Credential, answer: Response) -> str:
    if credential.token is not None:
        return "GitHub takes the token"
    slug = text(answer.data.get("slug")) if isinstance(answer.data, dict) else None
    return f"GitHub takes the App {slug or credential.app_id}"


def _words(error: Exception, credential: Credential) -> str:
    if isinstance(error, GitHubRefused) and error.status == UNAUTHORIZED:
        if credential.token is not None:
            return f"GitHub does not take the token ({error}): make a new one"
        words = f"GitHub does not take the App's signature ({error})"
        return f"{words}: check app_id, private_key_file and this machine's clock"
    if isinstance(error, GitHubRefused) and error.status == NOT_FOUND:
        return f"there is no GitHub at api_url ({error}); a server's ends in /api/v3"
    if isinstance(error, GitHubUnavailable):
        return f"GitHub cannot be reached: {error}"
    return str(error)
