"""Runners, their tokens, just-in-time configurations and groups; for all three scopes."""

from typing import Annotated

from pydantic import BaseModel, Field

from runnerhub.sim.github.clock import iso
from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.messages import Answer
from runnerhub.sim.github.http.router import Handler, Route
from runnerhub.sim.github.jit import make_blob
from runnerhub.sim.github.limits import CORE, REGISTRATION
from runnerhub.sim.github.refusals import invalid, not_found
from runnerhub.sim.github.shapes import actions
from runnerhub.sim.github.things import Group, Runner

_SCOPES = {
    "/repos/{owner}/{repo}": "administration",
    "/orgs/{org}": "organization_self_hosted_runners",
    "/enterprises/{enterprise}": "enterprise_runners",
}


class _Jit(BaseModel):
    name: str
    runner_group_id: int
    labels: Annotated[list[str], Field(min_length=1, max_length=100)]
    work_folder: str = "_work"


class _NewGroup(BaseModel):
    name: str
    visibility: str = "all"


def _shape(call: Call, runner: Runner) -> dict[str, object]:
    return actions.runner(runner, online=call.state.fleet.online(runner))


def _list(call: Call) -> Answer:
    found = call.state.fleet.of(call.scope())
    name = call.request.query.get("name")
    if name:
        found = [each for each in found if each.name == name]
    return call.listed("runners", found, lambda each: _shape(call, each))


def _get(call: Call) -> Answer:
    return Answer(200, _shape(call, call.state.fleet.get(call.scope(), call.number("runner_id"))))


def _remove(call: Call) -> Answer:
    call.state.fleet.remove(call.state.fleet.get(call.scope(), call.number("runner_id")))
    return Answer(204)


def _jit(call: Call) -> Answer:
    scope = call.scope()
    body = call.request.parse(_Jit)
    call.state.limits.register(call.caller, scope.name, call.route.name)
    runner = call.state.fleet.add(
        scope,
        body.name,
        body.labels,
        group_id=body.runner_group_id,
        work_folder=body.work_folder,
    )
    blob = make_blob(call.state.core, runner)
    return Answer(201, {"runner": _shape(call, runner), "encoded_jit_config": blob})


def _token(purpose: str) -> Handler:
    def issue(call: Call) -> Answer:
        token, expires_at = call.state.registration.issue(call.scope(), purpose)
        return Answer(201, {"token": token, "expires_at": iso(expires_at)})

    return issue


def _groups(call: Call) -> Answer:
    found = list(call.state.places.groups(call.scope()).values())
    url = call.state.core.url
    return call.listed("runner_groups", found, lambda each: actions.group(url, each))


def _group_of(call: Call) -> Group:
    found = call.state.places.groups(call.scope()).get(call.number("runner_group_id"))
    if found is None:
        raise not_found()
    return found


def _group(call: Call) -> Answer:
    return Answer(200, actions.group(call.state.core.url, _group_of(call)))


def _new_group(call: Call) -> Answer:
    body = call.request.parse(_NewGroup)
    made = call.state.places.add_group(call.scope(), body.name, body.visibility)
    return Answer(201, actions.group(call.state.core.url, made))


def _remove_group(call: Call) -> Answer:
    group = _group_of(call)
    if group.default:
        raise invalid("The default runner group cannot be deleted.")
    del call.state.places.groups(group.scope)[group.id]
    return Answer(204)


def _group_runners(call: Call) -> Answer:
    group = _group_of(call)
    found = [each for each in call.state.fleet.of(group.scope) if each.group is group]
    return call.listed("runners", found, lambda each: _shape(call, each))


def _of_scope(prefix: str, permission: str) -> list[Route]:
    read, write = f"{permission}:read", f"{permission}:write"
    runners = f"{prefix}/actions/runners"
    one = f"{runners}/{{runner_id}}"
    return [
        Route("GET", runners, _list, needs=read),
        Route("GET", one, _get, needs=read),
        Route("DELETE", one, _remove, needs=write),
        Route("POST", f"{runners}/generate-jitconfig", _jit, needs=write, resource=REGISTRATION),
        Route(
            "POST", f"{runners}/registration-token", _token("register"),
            needs=write, resource=REGISTRATION,
        ),
        Route("POST", f"{runners}/remove-token", _token("remove"), needs=write, resource=CORE),
    ]  # fmt: skip


def _of_groups(prefix: str, permission: str) -> list[Route]:
    read, write = f"{permission}:read", f"{permission}:write"
    groups = f"{prefix}/actions/runner-groups"
    one = f"{groups}/{{runner_group_id}}"
    return [
        Route("GET", groups, _groups, needs=read),
        Route("POST", groups, _new_group, needs=write),
        Route("GET", one, _group, needs=read),
        Route("DELETE", one, _remove_group, needs=write),
        Route("GET", f"{one}/runners", _group_runners, needs=read),
    ]


ROUTES = [
    *(route for prefix, permission in _SCOPES.items() for route in _of_scope(prefix, permission)),
    *(
        route
        for prefix, permission in list(_SCOPES.items())[1:]
        for route in _of_groups(prefix, permission)
    ),
]
