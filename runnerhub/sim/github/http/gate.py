"""Whether a caller may do what a request asks."""

from runnerhub.sim.github.access import Installation
from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.refusals import Refusal, not_found


def authorize(call: Call) -> None:
    """Let a call pass.

    Raises:
        Refusal: 401 without a credential of the right kind, 403 without the permission, 404 for
            what an installation does not cover.
    """
    caller, route = call.caller, call.route
    if route.auth == "any":
        return
    if caller.kind == "none":
        raise Refusal(401, "Requires authentication")
    if route.auth == "app":
        if caller.kind != "app":
            raise Refusal(401, "A JSON web token could not be decoded")
        return
    if caller.kind == "app":
        raise Refusal(403, "Resource not accessible by integration")
    if caller.installation is not None:
        _covered(call, caller.installation)
    elif route.auth == "installation":
        raise Refusal(403, "You must authenticate with an installation access token")
    permission, _, level = route.needs.partition(":")
    if permission and not caller.may(permission, level):
        who = "integration" if caller.installation is not None else "personal access token"
        accepted = {"x-accepted-github-permissions": f"{permission}={level}"}
        raise Refusal(403, f"Resource not accessible by {who}", accepted)


def _covered(call: Call, installation: Installation) -> None:
    if "repo" in call.names and not installation.covers(call.repository()):
        raise not_found()
    login = call.names.get("org")
    if login is not None and login.lower() != installation.account.login.lower():
        raise Refusal(403, "Resource not accessible by integration")
    if "enterprise" in call.names:
        raise Refusal(403, "Resource not accessible by integration")
