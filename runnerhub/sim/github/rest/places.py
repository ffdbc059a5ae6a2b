"""Repositories, organisations, the user, and what GitHub says of itself."""

from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.messages import Answer
from runnerhub.sim.github.http.router import Route
from runnerhub.sim.github.limits import FREE
from runnerhub.sim.github.refusals import Refusal, not_found
from runnerhub.sim.github.shapes import accounts
from runnerhub.sim.github.things import Repository


def _repository(call: Call) -> Answer:
    found = call.repository()
    if found.private and not call.caller.may("metadata", "read"):
        raise not_found()
    if found.private and call.caller.kind == "none":
        raise not_found()
    return Answer(200, accounts.repository(call.state.core.url, found))


def _organization(call: Call) -> Answer:
    found = call.state.places.organization(call.names["org"])
    count = len(call.state.places.repositories(found.login))
    return Answer(200, accounts.organization_full(call.state.core.url, found, count))


def _repositories_of_org(call: Call) -> Answer:
    login = call.state.places.organization(call.names["org"]).login
    return _page(
        call, [each for each in call.state.places.repositories(login) if _sees(call, each)]
    )


def _my_repositories(call: Call) -> Answer:
    if call.caller.kind != "pat":
        raise Refusal(403, "Resource not accessible by integration")
    return _page(call, call.state.places.repositories())


def _page(call: Call, found: list[Repository]) -> Answer:
    page, headers = call.page(found)
    url = call.state.core.url
    return Answer(200, [accounts.repository(url, each) for each in page], headers)


def _sees(call: Call, repository: Repository) -> bool:
    installation = call.caller.installation
    return installation is None or installation.covers(repository)


def _installation_repositories(call: Call) -> Answer:
    url = call.state.core.url
    found = [each for each in call.state.places.repositories() if _sees(call, each)]
    answer = call.listed("repositories", found, lambda each: accounts.repository(url, each))
    installation = call.caller.installation
    chosen = installation is not None and installation.repositories is not None
    answer.data["repository_selection"] = "selected" if chosen else "all"
    return answer


def _user(call: Call) -> Answer:
    account = call.caller.account
    if account is None or call.caller.kind != "pat":
        raise Refusal(403, "Resource not accessible by integration")
    return Answer(200, accounts.private_user(call.state.core.url, account))


def _rate_limit(call: Call) -> Answer:
    resources = call.state.limits.overview(call.caller)
    return Answer(200, {"resources": resources, "rate": resources["core"]})


def _meta(call: Call) -> Answer:
    del call
    networks = ["127.0.0.0/8"]
    return Answer(
        200,
        {
            "verifiable_password_authentication": False,
            "hooks": networks,
            "web": networks,
            "api": networks,
            "git": networks,
            "actions": networks,
        },
    )


ROUTES = [
    Route("GET", "/repos/{owner}/{repo}", _repository, auth="any"),
    Route("GET", "/orgs/{org}", _organization, auth="any"),
    Route("GET", "/orgs/{org}/repos", _repositories_of_org, needs="metadata:read"),
    Route("GET", "/user/repos", _my_repositories, needs="metadata:read"),
    Route("GET", "/user", _user),
    Route(
        "GET", "/installation/repositories", _installation_repositories,
        needs="metadata:read", auth="installation",
    ),
    Route("GET", "/rate_limit", _rate_limit, auth="any", resource=FREE),
    Route("GET", "/meta", _meta, auth="any"),
]  # fmt: skip
