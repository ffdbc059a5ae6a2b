"""Webhooks and their deliveries: of an App, of organisations, of repositories."""

from typing import Any

from pydantic import BaseModel

from runnerhub.sim.github.hooks import Delivery, Hook
from runnerhub.sim.github.http.call import MOST_A_PAGE, Call
from runnerhub.sim.github.http.messages import Answer
from runnerhub.sim.github.http.router import Route
from runnerhub.sim.github.refusals import not_found
from runnerhub.sim.github.shapes import hooks as shapes

_BELOW_400 = range(200, 400)


class _Config(BaseModel):
    url: str
    content_type: str = "json"
    secret: str = ""


class _New(BaseModel):
    config: _Config
    events: list[str] = ["push"]
    active: bool = True


def _whose(call: Call) -> tuple[str, str]:
    if "repo" in call.names:
        return "repo", call.repository().full_name
    if "org" in call.names:
        return "org", call.state.places.organization(call.names["org"]).login
    if call.caller.app is None:
        raise not_found()
    return "app", str(call.caller.app.id)


def _list(call: Call) -> Answer:
    page, headers = call.page(call.state.hooks.of(*_whose(call)))
    return Answer(200, [_shape(call, each) for each in page], headers)


def _shape(call: Call, hook: Hook) -> dict[str, Any]:
    return shapes.hook(call.state.core.url, hook)


def _create(call: Call) -> Answer:
    body = call.request.parse(_New)
    kind, owner = _whose(call)
    made = call.state.hooks.add(
        kind, owner, body.config.url, secret=body.config.secret, events=body.events
    )
    made.active = body.active
    call.state.hooks.ping(made)
    return Answer(201, _shape(call, made))


def _the_hook(call: Call) -> Hook:
    kind, owner = _whose(call)
    return call.state.hooks.get(kind, owner, call.number("hook_id"))


def _get(call: Call) -> Answer:
    return Answer(200, _shape(call, _the_hook(call)))


def _remove(call: Call) -> Answer:
    del call.state.hooks.hooks[_the_hook(call).id]
    return Answer(204)


def _ping(call: Call) -> Answer:
    call.state.hooks.ping(_the_hook(call))
    return Answer(204)


def _of_call(call: Call) -> list[Hook]:
    if "hook_id" in call.names:
        return [_the_hook(call)]
    return call.state.hooks.of(*_whose(call))


def _deliveries(call: Call) -> Answer:
    """List the newest first; the next page begins at a cursor, so that news moves nothing."""
    found = call.state.hooks.log(_of_call(call))
    status = call.request.query.get("status")
    if status:
        found = [each for each in found if _good(each) is (status == "success")]
    cursor = call.request.query.get("cursor", "")
    if cursor.isdecimal():
        found = [each for each in found if each.id <= int(cursor)]
    size = min(MOST_A_PAGE, max(1, call.request.number("per_page", 30)))
    headers = {}
    if len(found) > size:
        headers = {"link": f'<{call.url(cursor=found[size].id)}>; rel="next"'}
    return Answer(200, [shapes.delivery_item(each) for each in found[:size]], headers)


def _good(delivery: Delivery) -> bool:
    return delivery.status_code in _BELOW_400


def _the_delivery(call: Call) -> Delivery:
    return call.state.hooks.delivery(_of_call(call), call.number("delivery_id"))


def _delivery(call: Call) -> Answer:
    return Answer(200, shapes.delivery(_the_delivery(call)))


def _attempt(call: Call) -> Answer:
    call.state.hooks.redeliver(_the_delivery(call))
    return Answer(202, {})


def _of_deliveries(prefix: str, read: str, write: str, auth: str) -> list[Route]:
    one = f"{prefix}/deliveries/{{delivery_id}}"
    return [
        Route("GET", f"{prefix}/deliveries", _deliveries, needs=read, auth=auth),
        Route("GET", one, _delivery, needs=read, auth=auth),
        Route("POST", f"{one}/attempts", _attempt, needs=write, auth=auth),
    ]


def _of_hooks(prefix: str, permission: str) -> list[Route]:
    read, write = f"{permission}:read", f"{permission}:write"
    one = f"{prefix}/hooks/{{hook_id}}"
    return [
        Route("GET", f"{prefix}/hooks", _list, needs=read),
        Route("POST", f"{prefix}/hooks", _create, needs=write, content=True),
        Route("GET", one, _get, needs=read),
        Route("DELETE", one, _remove, needs=write),
        Route("POST", f"{one}/pings", _ping, needs=read),
        *_of_deliveries(one, read, write, "user"),
    ]


ROUTES = [
    *_of_hooks("/repos/{owner}/{repo}", "repository_hooks"),
    *_of_hooks("/orgs/{org}", "organization_hooks"),
    *_of_deliveries("/app/hook", "", "", "app"),
]
