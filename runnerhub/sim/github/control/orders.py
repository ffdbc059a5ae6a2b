"""Order repositories, runs and jobs, and look at what became of them."""

from collections import Counter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from runnerhub.sim.github.clock import iso_fine
from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.messages import Answer
from runnerhub.sim.github.http.router import Handler, Route
from runnerhub.sim.github.orders import RunOrder
from runnerhub.sim.github.shapes import accounts, actions
from runnerhub.sim.github.things import Job


class _Repository(BaseModel):
    model_config = ConfigDict(extra="forbid")
    full_name: str
    private: bool = True
    owner_kind: Literal["Organization", "User"] = "Organization"


class _Enterprise(BaseModel):
    model_config = ConfigDict(extra="forbid")
    slug: str


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid")
    event: str
    action: str | None = None
    repository: str
    payload: dict[str, Any] = {}


def _repository(call: Call) -> Answer:
    body = call.request.parse(_Repository)
    made = call.state.places.add_repository(
        body.full_name, private=body.private, owner_kind=body.owner_kind
    )
    return Answer(201, accounts.repository(call.state.core.url, made))


def _enterprise(call: Call) -> Answer:
    call.state.places.add_enterprise(call.request.parse(_Enterprise).slug)
    return Answer(201, {})


def _runs(call: Call) -> Answer:
    made = call.state.work.queue(call.request.parse(RunOrder))
    listed = [{"id": run.id, "jobs": [job.id for job in run.jobs]} for run in made]
    return Answer(201, {"runs": listed})


def _event(call: Call) -> Answer:
    body = call.request.parse(_Event)
    owner, _, name = body.repository.partition("/")
    repository = call.state.places.repository(owner, name)
    key = f"ordered.{call.state.core.next_id('event')}"
    call.state.hooks.emit(body.event, body.action, repository, body.payload, key)
    return Answer(202, {})


def _jobs(call: Call) -> Answer:
    status = call.request.query.get("status")
    found = [job for job in call.state.work.jobs.values() if status in (None, job.status)]
    return Answer(200, {"total_count": len(found), "jobs": [_told(call, job) for job in found]})


def _told(call: Call, job: Job) -> dict[str, Any]:
    return actions.job(call.state.core.url, job) | {
        "repository": job.run.repository.full_name,
        "queued_at": iso_fine(job.queued_at or job.created_at),
        "taken_at": None if job.started_at is None else iso_fine(job.started_at),
        "ended_at": None if job.completed_at is None else iso_fine(job.completed_at),
        "cancel_requested": job.cancel_requested_at is not None,
        "scale_set_id": job.scale_set_id,
        "takers": job.takers,
    }


def _job(call: Call) -> Answer:
    return Answer(200, _told(call, call.state.work.job(call.number("id"))))


def _log(call: Call) -> Answer:
    text = "".join(call.state.work.job(call.number("id")).log)
    return Answer(200, text.encode(), {"content-type": "text/plain; charset=utf-8"})


def _approve(call: Call) -> Answer:
    call.state.work.approve(call.state.work.job(call.number("id")))
    return Answer(202, {})


def _cancel(call: Call) -> Answer:
    call.state.work.cancel_job(call.state.work.job(call.number("id")))
    return Answer(202, {})


def _state(call: Call) -> Answer:
    state = call.state
    jobs = state.work.jobs.values()
    runners = list(state.fleet)
    data = {
        "jobs": Counter(job.status for job in jobs),
        "conclusions": Counter(job.conclusion for job in jobs if job.conclusion),
        "jobs_taken_twice": [job.id for job in jobs if len(job.takers) > 1],
        "runners": {
            "registered": len(runners),
            "online": sum(state.fleet.online(each) for each in runners),
            "busy": sum(each.busy for each in runners),
            "names": [each.name for each in runners],
        },
        "runners_gone": state.fleet.gone,
        "deliveries": Counter(each.status for each in state.hooks.deliveries.values()),
        "faults_struck": state.core.faults.struck,
        "violations": Counter(each.which for each in state.limits.violations),
        "most_points_a_minute": state.limits.most_points,
        "scale_sets": {
            each.name: state.scale_sets.statistics(each) for each in state.scale_sets.sets.values()
        },
    }
    return Answer(200, data)


def _route(method: str, template: str, handler: Handler) -> Route:
    return Route(method, f"/_sim/{template}", handler, door="control")


ROUTES = [
    _route("POST", "repositories", _repository),
    _route("POST", "enterprises", _enterprise),
    _route("POST", "runs", _runs),
    _route("POST", "events", _event),
    _route("GET", "jobs", _jobs),
    _route("GET", "jobs/{id}", _job),
    _route("GET", "jobs/{id}/log", _log),
    _route("POST", "jobs/{id}/approve", _approve),
    _route("POST", "jobs/{id}/cancel", _cancel),
    _route("GET", "state", _state),
]
