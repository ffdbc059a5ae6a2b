"""What a runner speaks here, in place of the real one's undocumented protocol.

register ─▶ message (long poll) ─▶ steps, log, heartbeat … ─▶ finish
"""

from typing import Any, Literal
from urllib.parse import urlsplit

import trio
from pydantic import BaseModel, ConfigDict, Field

from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.messages import Answer
from runnerhub.sim.github.http.router import Handler, Route
from runnerhub.sim.github.jit import read_blob
from runnerhub.sim.github.refusals import Refusal
from runnerhub.sim.github.things import COMPLETED, IN_PROGRESS, Job, Runner, Step

MOST_WAIT_SECONDS = 60.0
_Conclusion = Literal["success", "failure", "cancelled", "skipped", "timed_out", "neutral"]


class _Jit(BaseModel):
    model_config = ConfigDict(extra="forbid")
    encoded_jit_config: str


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid")
    url: str
    token: str
    name: str
    labels: list[str] = ["self-hosted", "Linux", "X64"]
    ephemeral: bool = False


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int = Field(ge=1)
    name: str
    status: Literal["queued", "in_progress", "completed"] = "completed"
    conclusion: _Conclusion | None = None


class _Finish(BaseModel):
    model_config = ConfigDict(extra="forbid")
    conclusion: _Conclusion


def _register(call: Call) -> Answer:
    fleet = call.state.fleet
    if "encoded_jit_config" in call.request.object():
        found = read_blob(call.request.parse(_Jit).encoded_jit_config)
        if found is None:
            raise Refusal(400, "That is no JIT configuration")
        runner = fleet.connect(*found)
    else:
        body = call.request.parse(_Plain)
        scope = call.state.registration.scope_of(body.token, "register")
        if call.state.places.scope_of_url(urlsplit(body.url).path) != scope:
            raise Refusal(404, "Not Found")
        made = fleet.add(scope, body.name, body.labels, ephemeral=body.ephemeral)
        runner = fleet.connect(made.id, made.secret)
    data = {
        "id": runner.id,
        "name": runner.name,
        "labels": runner.labels,
        "ephemeral": runner.ephemeral,
        "session": runner.session,
    }
    return Answer(201, data)


def _the_runner(call: Call) -> Runner:
    session = call.request.headers.get("authorization", "").partition(" ")[2]
    runner = call.state.fleet.of_session(session)
    call.state.fleet.heard(runner)
    return runner


async def _message(call: Call) -> Answer:
    runner = _the_runner(call)
    session = runner.session
    wait = min(MOST_WAIT_SECONDS, float(call.request.number("wait", 50)))
    runner.polling += 1
    try:
        with trio.move_on_after(wait):
            while True:
                if runner.session != session:
                    raise Refusal(401, "The runner is deregistered, or offline.")
                job = runner.job or call.state.work.take(runner)
                if job is not None:
                    return Answer(200, _order(call, job))
                await runner.bell.wait()
    finally:
        runner.polling -= 1
        call.state.fleet.heard(runner)
    return Answer(204)


def _order(call: Call, job: Job) -> dict[str, Any]:
    run = job.run
    return {
        "job_id": job.id,
        "run_id": run.id,
        "run_attempt": run.attempt,
        "name": job.name,
        "labels": job.labels,
        "repository": run.repository.full_name,
        "clone_url": f"{call.state.core.url}/{run.repository.full_name}.git",
        "sha": run.sha,
        "ref": f"refs/heads/{run.branch}",
        "event": run.event,
        "workflow": {
            "name": run.workflow.name,
            "path": run.workflow.path,
            "text": run.text,
        },
    }


def _own_job(call: Call) -> Job:
    runner = _the_runner(call)
    job = call.state.work.job(call.number("id"))
    if runner.job is not job:
        raise Refusal(409, f"Job {job.id} is {job.status}, and not this runner's")
    call.state.work.renew(job)
    return job


async def _heartbeat(call: Call) -> Answer:
    runner, job = _the_runner(call), _own_job(call)
    with trio.move_on_after(min(MOST_WAIT_SECONDS, float(call.request.number("wait", 0)))):
        while job.status == IN_PROGRESS and job.cancel_requested_at is None:
            await runner.bell.wait()
    cancelled = job.cancel_requested_at is not None or job.status == COMPLETED
    return Answer(200, {"cancel": cancelled, "status": job.status})


def _step(call: Call) -> Answer:
    job = _own_job(call)
    body = call.request.parse(_Step)
    now = call.state.core.now()
    before = next((each for each in job.steps if each.number == body.number), None)
    began = before.started_at if before is not None else None
    ended = now if body.status == COMPLETED else None
    step = Step(body.number, body.name, body.status, body.conclusion, began or now, ended)
    call.state.work.step(job, step)
    return Answer(204)


def _log(call: Call) -> Answer:
    _own_job(call).log.append(call.request.body.decode("utf-8", "replace"))
    return Answer(204)


def _finish(call: Call) -> Answer:
    job = _own_job(call)
    call.state.work.finish(job, call.request.parse(_Finish).conclusion)
    return Answer(200, {"conclusion": job.conclusion})


def _leave(call: Call) -> Answer:
    call.state.fleet.disconnect(_the_runner(call))
    return Answer(204)


def _route(method: str, template: str, handler: Handler) -> Route:
    return Route(method, f"/_sim/runner/{template}", handler, door="control")


ROUTES = [
    _route("POST", "register", _register),
    _route("GET", "message", _message),
    _route("POST", "jobs/{id}/heartbeat", _heartbeat),
    _route("POST", "jobs/{id}/steps", _step),
    _route("POST", "jobs/{id}/log", _log),
    _route("POST", "jobs/{id}/finish", _finish),
    _route("DELETE", "session", _leave),
]
