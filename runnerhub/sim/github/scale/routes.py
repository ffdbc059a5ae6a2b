"""The doors of the scale-set service: registration, scale sets, groups, agents."""

import codecs
import json
from typing import Any
from urllib.parse import urlsplit

from runnerhub.sim.github.clock import iso_fine
from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.messages import JSON, Answer
from runnerhub.sim.github.http.router import Handler, Route
from runnerhub.sim.github.jit import make_blob
from runnerhub.sim.github.refusals import Refusal
from runnerhub.sim.github.scale.sets import ScaleSet
from runnerhub.sim.github.things import Runner, Scope

BASE = "/actions-service/_apis"
SETS = f"{BASE}/runtime/runnerscalesets"
_AGENTS = f"{BASE}/distributedtask/pools/0/agents"


def reply(call: Call, data: dict[str, Any]) -> Answer:
    """Answer 200, with a byte order mark where that is asked for."""
    if not call.state.scale_sets.bom:
        return Answer(200, data)
    body = codecs.BOM_UTF8 + json.dumps(data).encode()
    return Answer(200, body, {"content-type": JSON})


def bearer(call: Call) -> str:
    """Return the token of a request; empty when there is none."""
    return call.request.headers.get("authorization", "").partition(" ")[2]


def admin_scope(call: Call) -> Scope:
    """Return the scope of the admin token.

    Raises:
        Refusal: 401, it is not good.
    """
    kind, _, name = call.state.registration.verify(bearer(call), "admin").partition(":")
    return Scope(kind, name)


def the_set(call: Call) -> ScaleSet:
    """Return the scale set that the path names.

    Raises:
        Refusal: 401 or 404.
    """
    return call.state.scale_sets.get(admin_scope(call), call.number("id"))


def set_json(call: Call, scale_set: ScaleSet) -> dict[str, Any]:
    """Return a scale set as JSON."""
    return {
        "id": scale_set.id,
        "name": scale_set.name,
        "runnerGroupId": scale_set.group.id,
        "runnerGroupName": scale_set.group.name,
        "labels": scale_set.labels,
        "RunnerSetting": scale_set.setting,
        "createdOn": iso_fine(scale_set.created_at),
        "runnerJitConfigUrl": f"{call.state.core.url}{SETS}/{scale_set.id}/generatejitconfig",
        "statistics": call.state.scale_sets.statistics(scale_set),
    }


def _register(call: Call) -> Answer:
    token = bearer(call)
    wanted = call.state.places.scope_of_url(urlsplit(str(call.request.object().get("url"))).path)
    scope = call.state.registration.scope_of(token, "register")
    if wanted != scope:
        raise Refusal(404, "Not Found")
    registration = call.state.registration
    admin = registration.sign("admin", f"{scope.kind}:{scope.name}", registration.admin_seconds)
    url = f"{call.state.core.url}{BASE.removesuffix('/_apis')}/"
    return Answer(200, {"url": url, "token": admin, "token_schema": "OAuthAccessToken"})


def _list(call: Call) -> Answer:
    query = call.request.query
    found = [
        set_json(call, each)
        for each in call.state.scale_sets.of(admin_scope(call))
        if query.get("name") in (None, "", each.name)
        and query.get("runnerGroupId") in (None, "", "0", str(each.group.id))
    ]
    return reply(call, {"count": len(found), "value": found})


def _create(call: Call) -> Answer:
    body = call.request.object()
    made = call.state.scale_sets.add(
        admin_scope(call),
        str(body.get("name") or ""),
        int(body.get("runnerGroupId") or 1),
        body.get("labels") or [],
        body.get("RunnerSetting") or {},
    )
    return reply(call, set_json(call, made))


def _get(call: Call) -> Answer:
    return reply(call, set_json(call, the_set(call)))


def _change(call: Call) -> Answer:
    scale_set = the_set(call)
    call.state.scale_sets.change(scale_set, call.request.object())
    return reply(call, set_json(call, scale_set))


def _remove(call: Call) -> Answer:
    call.state.scale_sets.remove(the_set(call))
    return Answer(204)


def _groups(call: Call) -> Answer:
    wanted = call.request.query.get("groupName")
    found = [
        {"id": each.id, "name": each.name, "size": 0, "isDefaultGroup": each.default}
        for each in call.state.places.groups(admin_scope(call)).values()
        if wanted in (None, "", each.name)
    ]
    return reply(call, {"count": len(found), "value": found})


def _jit(call: Call) -> Answer:
    scale_set = the_set(call)
    body = call.request.object()
    name = str(body.get("name") or "")
    fleet = call.state.fleet
    if fleet.named(scale_set.scope, name) is not None:
        raise Refusal(409, f"Agent {name} already exists.", kind="AgentExistsException")
    runner = fleet.add(
        scale_set.scope,
        name,
        [label["name"] for label in scale_set.labels],
        group_id=scale_set.group.id,
        work_folder=str(body.get("workFolder") or "_work"),
        scale_set_id=scale_set.id,
    )
    blob = make_blob(call.state.core, runner)
    return reply(call, {"runner": _agent(runner), "encodedJITConfig": blob})


def _agent(runner: Runner) -> dict[str, Any]:
    return {"id": runner.id, "name": runner.name, "runnerScaleSetId": runner.scale_set_id or 0}


def _agents(call: Call) -> Answer:
    wanted = call.request.query.get("agentName")
    fleet = call.state.fleet.of(admin_scope(call))
    found = [_agent(each) for each in fleet if wanted in (None, "", each.name)]
    return reply(call, {"count": len(found), "value": found})


def _the_agent(call: Call) -> Runner:
    scope, number = admin_scope(call), call.number("id")
    try:
        return call.state.fleet.get(scope, number)
    except Refusal:
        raise Refusal(404, f"No agent {number}.", kind="AgentNotFoundException") from None


def _get_agent(call: Call) -> Answer:
    return reply(call, _agent(_the_agent(call)))


def _remove_agent(call: Call) -> Answer:
    runner = _the_agent(call)
    if runner.busy:
        raise Refusal(
            400,
            f"Agent {runner.name} is still running a job.",
            kind="JobStillRunningException",
        )
    call.state.fleet.remove(runner)
    return Answer(204)


def _route(method: str, template: str, handler: Handler) -> Route:
    return Route(method, template, handler, door="scale")


ROUTES = [
    _route("POST", "/actions/runner-registration", _register),
    _route("GET", SETS, _list),
    _route("POST", SETS, _create),
    _route("GET", f"{SETS}/{{id}}", _get),
    _route("PATCH", f"{SETS}/{{id}}", _change),
    _route("DELETE", f"{SETS}/{{id}}", _remove),
    _route("GET", f"{BASE}/runtime/runnergroups", _groups),
    _route("POST", f"{SETS}/{{id}}/generatejitconfig", _jit),
    _route("GET", _AGENTS, _agents),
    _route("GET", f"{_AGENTS}/{{id}}", _get_agent),
    _route("DELETE", f"{_AGENTS}/{{id}}", _remove_agent),
]
