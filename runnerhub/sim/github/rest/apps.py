"""What an App does as itself: look at its installations, and take tokens for them."""

from pydantic import BaseModel

from runnerhub.sim.github.access import App, Installation
from runnerhub.sim.github.clock import iso
from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.messages import Answer
from runnerhub.sim.github.http.router import Route
from runnerhub.sim.github.refusals import not_found
from runnerhub.sim.github.shapes import apps


class _Wanted(BaseModel):
    permissions: dict[str, str] | None = None


def _the_app(call: Call) -> App:
    if call.caller.app is None:
        raise not_found()
    return call.caller.app


def _app(call: Call) -> Answer:
    app = _the_app(call)
    count = len(call.state.access.installations(app))
    return Answer(200, apps.app(call.state.core.url, app, count))


def _installations(call: Call) -> Answer:
    page, headers = call.page(call.state.access.installations(_the_app(call)))
    url = call.state.core.url
    return Answer(200, [apps.installation(url, each) for each in page], headers)


def _the_installation(call: Call) -> Installation:
    return call.state.access.installation(_the_app(call), call.number("installation_id"))


def _installation(call: Call) -> Answer:
    return Answer(200, apps.installation(call.state.core.url, _the_installation(call)))


def _token(call: Call) -> Answer:
    installation = _the_installation(call)
    wanted = call.request.parse(_Wanted)
    token, expires_at = call.state.access.issue(installation, wanted.permissions)
    data = {
        "token": token,
        "expires_at": iso(expires_at),
        "permissions": wanted.permissions or installation.permissions,
        "repository_selection": "all" if installation.repositories is None else "selected",
    }
    return Answer(201, data)


def _of_repository(call: Call) -> Answer:
    found = call.state.access.installation_for(_the_app(call).id, call.repository())
    if found is None:
        raise not_found()
    return Answer(200, apps.installation(call.state.core.url, found))


def _of_account(call: Call) -> Answer:
    login = call.names.get("org") or call.names["username"]
    for each in call.state.access.installations(_the_app(call)):
        if each.account.login.lower() == login.lower():
            return Answer(200, apps.installation(call.state.core.url, each))
    raise not_found()


_ONE = "/app/installations/{installation_id}"
ROUTES = [
    Route("GET", "/app", _app, auth="app"),
    Route("GET", "/app/installations", _installations, auth="app"),
    Route("GET", _ONE, _installation, auth="app"),
    Route("POST", f"{_ONE}/access_tokens", _token, auth="app"),
    Route("GET", "/repos/{owner}/{repo}/installation", _of_repository, auth="app"),
    Route("GET", "/orgs/{org}/installation", _of_account, auth="app"),
    Route("GET", "/users/{username}/installation", _of_account, auth="app"),
]
