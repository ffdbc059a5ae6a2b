"""Make tokens, Apps, installations and webhooks."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.messages import Answer
from runnerhub.sim.github.http.router import Handler, Route
from runnerhub.sim.github.shapes import apps
from runnerhub.sim.github.shapes import hooks as shapes


class _Token(BaseModel):
    model_config = ConfigDict(extra="forbid")
    token: str | None = None
    login: str = "octocat"
    scopes: list[str] | None = None
    permissions: dict[str, str] | None = None


class _Webhook(BaseModel):
    model_config = ConfigDict(extra="forbid")
    url: str
    secret: str = ""


class _App(BaseModel):
    model_config = ConfigDict(extra="forbid")
    slug: str = "runnerhub"
    owner: str = "acme"
    permissions: dict[str, str] | None = None
    events: list[str] | None = None
    webhook: _Webhook | None = None


class _Installation(BaseModel):
    model_config = ConfigDict(extra="forbid")
    app_id: int
    account: str
    repositories: list[str] | None = None
    permissions: dict[str, str] | None = None


class _Hook(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["repo", "org", "app"]
    owner: str
    url: str
    secret: str = ""
    events: list[str] = ["*"]


def _token(call: Call) -> Answer:
    body = call.request.parse(_Token)
    token = body.token or call.state.core.secret("ghp_")
    call.state.access.add_token(token, body.login, scopes=body.scopes, permissions=body.permissions)
    return Answer(201, {"token": token})


def _revoke(call: Call) -> Answer:
    call.state.access.revoke(call.names["token"])
    return Answer(204)


def _app(call: Call) -> Answer:
    body = call.request.parse(_App)
    app, pem = call.state.access.add_app(body.slug, body.owner, body.permissions, body.events)
    if body.webhook is not None:
        hook = body.webhook
        call.state.hooks.add(
            "app", str(app.id), hook.url, secret=hook.secret, events=body.events or ["*"]
        )
    return Answer(201, apps.app(call.state.core.url, app, 0) | {"private_key": pem})


def _installation(call: Call) -> Answer:
    body = call.request.parse(_Installation)
    access = call.state.access
    app = access.app(body.app_id)
    made = access.install(app, body.account, body.repositories, body.permissions)
    return Answer(201, apps.installation(call.state.core.url, made))


def _hook(call: Call) -> Answer:
    body = call.request.parse(_Hook)
    made = call.state.hooks.add(
        body.kind, body.owner, body.url, secret=body.secret, events=body.events
    )
    return Answer(201, shapes.hook(call.state.core.url, made))


def _route(method: str, template: str, handler: Handler) -> Route:
    return Route(method, f"/_sim/{template}", handler, door="control")


ROUTES = [
    _route("POST", "tokens", _token),
    _route("DELETE", "tokens/{token}", _revoke),
    _route("POST", "apps", _app),
    _route("POST", "installations", _installation),
    _route("POST", "hooks", _hook),
]
