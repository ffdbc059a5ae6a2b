"""Set faults, limits, the clock, and the times of the scale-set service."""

from pydantic import BaseModel, ConfigDict, Field

from runnerhub.sim.github.clock import iso_fine
from runnerhub.sim.github.faults import FaultPlan, Kind, Ordered
from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.messages import Answer
from runnerhub.sim.github.http.router import Handler, Route


class _Next(BaseModel):
    model_config = ConfigDict(extra="forbid")
    match: str
    kind: Kind
    count: int = Field(1, ge=1)


class _Limit(BaseModel):
    model_config = ConfigDict(extra="forbid")
    caller: str = "*"
    resource: str = "core"
    limit: int = Field(ge=0)


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid")
    in_flight: int | None = None
    points_a_minute: int | None = None
    content_a_minute: int | None = None
    content_an_hour: int | None = None
    registrations_in_five_minutes: int | None = None
    strict: bool | None = None
    retry_after: int | None = None
    status: int | None = None


class _Clock(BaseModel):
    model_config = ConfigDict(extra="forbid")
    advance_seconds: float = Field(ge=0)


class _ScaleSets(BaseModel):
    model_config = ConfigDict(extra="forbid")
    session_seconds: float | None = None
    poll_seconds: float | None = None
    admin_seconds: float | None = None
    queue_seconds: float | None = None
    bom: bool | None = None


def _faults(call: Call) -> Answer:
    faults = call.state.core.faults
    return Answer(200, {"plan": faults.plan.model_dump(), "struck": faults.struck})


def _set_faults(call: Call) -> Answer:
    call.state.core.faults.plan = call.request.parse(FaultPlan)
    return _faults(call)


def _next(call: Call) -> Answer:
    body = call.request.parse(_Next)
    call.state.core.faults.ordered.append(Ordered(body.match, body.kind, body.count))
    return Answer(202, {})


def _limit(call: Call) -> Answer:
    body = call.request.parse(_Limit)
    call.state.limits.overrides[body.caller, body.resource] = body.limit
    return Answer(204)


def _rules(call: Call) -> Answer:
    for name, value in call.request.parse(_Rules).model_dump(exclude_none=True).items():
        setattr(call.state.limits.rules, name, value)
    return Answer(204)


def _violations(call: Call) -> Answer:
    return Answer(200, {"violations": [each.json() for each in call.state.limits.violations]})


def _clock(call: Call) -> Answer:
    core = call.state.core
    core.clock.advance(call.request.parse(_Clock).advance_seconds)
    core.agenda.run_due()
    core.agenda.bell.ring()
    return Answer(200, {"now": iso_fine(core.now())})


def _scale_sets(call: Call) -> Answer:
    state = call.state
    for name, value in call.request.parse(_ScaleSets).model_dump(exclude_none=True).items():
        owner = state.registration if name in ("admin_seconds", "queue_seconds") else None
        setattr(owner or state.scale_sets, name, value)
    return Answer(204)


def _route(method: str, template: str, handler: Handler) -> Route:
    return Route(method, f"/_sim/{template}", handler, door="control")


ROUTES = [
    _route("GET", "faults", _faults),
    _route("PUT", "faults", _set_faults),
    _route("POST", "faults/next", _next),
    _route("PUT", "limits", _limit),
    _route("PUT", "rules", _rules),
    _route("GET", "violations", _violations),
    _route("POST", "clock", _clock),
    _route("PUT", "scale-sets", _scale_sets),
]
