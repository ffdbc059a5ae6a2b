"""The doors of a listener: sessions, the long poll, acknowledging, acquiring jobs."""

import json
import math
from typing import Any

import trio

from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.messages import Answer
from runnerhub.sim.github.http.router import Handler, Route
from runnerhub.sim.github.refusals import Refusal
from runnerhub.sim.github.scale import messages
from runnerhub.sim.github.scale.routes import SETS, bearer, reply, set_json, the_set
from runnerhub.sim.github.scale.sets import Message, ScaleSet, Session
from runnerhub.sim.github.things import QUEUED


def _open(call: Call) -> Answer:
    scale_set = the_set(call)
    owner = str(call.request.object().get("ownerName") or "")
    session = call.state.scale_sets.open(scale_set, owner)
    return reply(call, _session_json(call, scale_set, session))


def _refresh(call: Call) -> Answer:
    scale_set, session = _the_session(call)
    session.seen_at = call.state.core.now()
    return reply(call, _session_json(call, scale_set, session))


def _close(call: Call) -> Answer:
    scale_set, _ = _the_session(call)
    call.state.scale_sets.close(scale_set)
    return Answer(204)


def _the_session(call: Call) -> tuple[ScaleSet, Session]:
    scale_set = the_set(call)
    session = call.state.scale_sets.session(scale_set, call.names["session"])
    if session is None:
        raise Refusal(404, "No such session", kind="RunnerScaleSetSessionNotFoundException")
    return scale_set, session


def _session_json(call: Call, scale_set: ScaleSet, session: Session) -> dict[str, Any]:
    registration = call.state.registration
    subject = f"{scale_set.id}:{session.id}"
    url = f"{call.state.core.url}{SETS}/{scale_set.id}/messages"
    return {
        "sessionId": session.id,
        "ownerName": session.owner,
        "runnerScaleSet": set_json(call, scale_set),
        "messageQueueUrl": f"{url}?sessionId={session.id}&api-version=6.0-preview",
        "messageQueueAccessToken": registration.sign("queue", subject, registration.queue_seconds),
        "statistics": call.state.scale_sets.statistics(scale_set),
    }


def _by_queue_token(call: Call) -> tuple[ScaleSet, Session]:
    number, _, session_id = call.state.registration.verify(bearer(call), "queue").partition(":")
    scale_set = call.state.scale_sets.sets.get(int(number))
    if scale_set is None or scale_set.id != call.number("id"):
        raise Refusal(404, "No such scale set", kind="RunnerScaleSetNotFoundException")
    session = call.state.scale_sets.session(scale_set, session_id)
    if session is None:
        raise Refusal(401, "The session is over", kind="TokenExpiredException")
    session.seen_at = call.state.core.now()
    return scale_set, session


async def _poll(call: Call) -> Answer:
    scale_set, session = _by_queue_token(call)
    sets, clock = call.state.scale_sets, call.state.core.clock
    last = call.request.number("lastMessageId", 0)
    capacity = call.request.headers.get("x-scalesetmaxcapacity", "")
    room = int(capacity) if capacity.isdecimal() else None
    session.polling += 1
    try:
        with trio.move_on_after(sets.poll_seconds):
            while True:
                if scale_set.session is not session:
                    raise Refusal(401, "The session is over", kind="TokenExpiredException")
                message = sets.next_message(scale_set, last, room)
                if message is not None:
                    return reply(call, _message_json(call, scale_set, message))
                look = sets.next_look(scale_set)
                at = math.inf if math.isinf(look) else clock.on_trio(look)
                with trio.move_on_at(at):
                    await scale_set.bell.wait()
    finally:
        session.polling -= 1
        session.seen_at = clock.now()
    return Answer(202)


def _message_json(call: Call, scale_set: ScaleSet, message: Message) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "messageType": "RunnerScaleSetJobMessages",
        "body": json.dumps(message.jobs),
        "statistics": call.state.scale_sets.statistics(scale_set),
    }


def _acknowledge(call: Call) -> Answer:
    scale_set, _ = _by_queue_token(call)
    scale_set.messages.pop(call.number("message"), None)
    return Answer(204)


def _acquire(call: Call) -> Answer:
    scale_set, _ = _by_queue_token(call)
    numbers = call.request.json()
    if not isinstance(numbers, list) or not all(isinstance(each, int) for each in numbers):
        raise Refusal(400, "A list of numbers is needed", kind="ArgumentException")
    done = call.state.scale_sets.acquire(scale_set, numbers)
    return reply(call, {"count": len(done), "value": done})


def _acquirable(call: Call) -> Answer:
    scale_set = the_set(call)
    url = f"{call.state.core.url}{SETS}/{scale_set.id}/acquirejobs"
    found = [
        messages.available(job, url)
        for job in call.state.work.open_of(scale_set.id)
        if job.status == QUEUED and job.acquired_at is None
    ]
    return reply(call, {"count": len(found), "value": found}) if found else Answer(204)


def _route(method: str, template: str, handler: Handler) -> Route:
    return Route(method, f"{SETS}/{{id}}/{template}", handler, door="scale")


ROUTES = [
    _route("POST", "sessions", _open),
    _route("PATCH", "sessions/{session}", _refresh),
    _route("DELETE", "sessions/{session}", _close),
    _route("GET", "messages", _poll),
    _route("DELETE", "messages/{message}", _acknowledge),
    _route("POST", "acquirejobs", _acquire),
    _route("GET", "acquirablejobs", _acquirable),
]
