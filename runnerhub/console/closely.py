"""The commands that look at one actor closely: `actor` and `trace`."""

import json
import linecache
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import trio

from runnerhub.console.desk import Desk
from runnerhub.console.protocol import ConsoleError
from runnerhub.console.watching import Result, Send, place_of
from runnerhub.model.job import JobEvent, Phase
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.runtime import Note, Recording, Registry
from runnerhub.runtime.describe import describe
from runnerhub.runtime.stacks import TaskStack, stacks
from runnerhub.runtime.survey import Pace, Place

MOST_RECORDINGS = 16
MOST_WAITING = 10
TRACE_ROOM = 256
LEDGER_SECONDS = 1.0
MOST_DATA = 12
LONGEST_DATA = 200


class Recordings:
    """The actors that one guest has looked at; recorded until it leaves, at most 16 of them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._open: OrderedDict[str, tuple[ExitStack, Recording]] = OrderedDict()

    def of(self, name: str) -> tuple[Recording, bool]:
        """Return the recording of an actor, and whether it has only just begun."""
        if name in self._open:
            self._open.move_to_end(name)
            return self._open[name][1], False
        stack = ExitStack()
        recording = stack.enter_context(self._registry.record(name))
        self._open[name] = (stack, recording)
        if len(self._open) > MOST_RECORDINGS:
            _, (oldest, _) = self._open.popitem(last=False)
            oldest.close()
        return recording, True

    def close(self) -> None:
        """Record nobody any longer."""
        while self._open:
            _, (stack, _) = self._open.popitem()
            stack.close()


async def actor(desk: Desk, args: dict[str, Any], send: Send, *, recordings: Recordings) -> Result:
    """Return one actor's state, recent messages and stack."""
    del send
    pace, name = Pace(), args["actor"]
    await place_of(desk, name, pace)
    recording, is_new = recordings.of(name)
    if is_new:
        await trio.sleep(args["seconds"])
    place = await place_of(desk, name, pace)
    return {
        **_state(place),
        "facts": dict(await desk.facts(name)),
        "waiting": [describe(message) for message in place.life.ref.peek(MOST_WAITING)],
        "recent": _notes(recording.after()),
        "stack": [_stack(each) for each in stacks(place.life)],
    }


def _state(place: Place) -> dict[str, Any]:
    shot, ref, spec = place.picture(), place.life.ref, place.life.spec
    below = place.life.context.supervisor
    return {
        "name": shot.name,
        "kind": shot.kind,
        "phase": str(shot.phase),
        "supervisor": place.supervisor.name if place.supervisor else None,
        "restart": spec.restart.value,
        "restarts": shot.restarts,
        "age_seconds": round(trio.current_time() - shot.started_at, 3),
        "handling_seconds": round(ref.handling_seconds, 6),
        "mailbox": asdict(ref.statistics()),
        "children": len(below.children()) if below else 0,
    }


def _stack(stack: TaskStack) -> dict[str, Any]:
    frames = [
        {**asdict(frame), "code": linecache.getline(frame.file, frame.line).strip()[:160]}
        for frame in stack.frames
    ]
    return {"task": stack.name, "level": stack.level, "frames": frames}


def _notes(notes: Sequence[Note]) -> list[dict[str, Any]]:
    now, today = trio.current_time(), datetime.now(UTC)
    return [
        {
            "seq": note.seq,
            "at": (today - timedelta(seconds=now - note.at)).isoformat(timespec="milliseconds"),
            "seconds_ago": round(now - note.at, 3),
            "what": note.what,
            "text": note.text,
            "handling_seconds": None if note.seconds is None else round(note.seconds, 6),
        }
        for note in notes
    ]


async def trace(desk: Desk, args: dict[str, Any], send: Send) -> Result:
    """Send what a job's actor takes and handles, and what the ledger notes about the job."""
    job_id = args["job"]
    try:
        job = await desk.hub.ledger.job(job_id)
    except LedgerUnavailable as error:
        raise ConsoleError(f"the ledger cannot be read just now: {error}") from None
    if job is None:
        raise ConsoleError(f"there is no job {job_id}")
    await send({"job": job_id, "phase": str(job.phase), "explanation": desk.hub.explain(job)})
    tracing = _Tracing(desk, job_id, send)
    began = trio.current_time()
    with trio.move_on_after(args["seconds"]) as patience:
        await tracing.run()
    return {
        "job": job_id,
        "message_count": tracing.messages,
        "event_count": tracing.events,
        "missed": tracing.missed,
        "seconds": round(trio.current_time() - began, 3),
        "ended": "time is up" if patience.cancelled_caught else "the job is finished",
    }


class _Tracing:
    """Two sources at once: the actor's recording, and the job's events in the ledger."""

    def __init__(self, desk: Desk, job_id: str, send: Send) -> None:
        self.messages = self.events = self.missed = 0
        self._desk = desk
        self._job_id = job_id
        self._send = send
        self._seen = 0

    async def run(self) -> None:
        """Trace until the job is finished."""
        name = self._desk.job_actor(self._job_id)
        with self._desk.root.registry.record(name, TRACE_ROOM) as recording:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._follow, recording)
                await self._read_events()
                nursery.cancel_scope.cancel()

    async def _follow(self, recording: Recording) -> None:
        seq = 0
        while True:
            await recording.beyond(seq)
            notes = recording.after(seq)
            self.missed += notes[0].seq - seq - 1
            self.messages += sum(note.what == "took" for note in notes)
            seq = notes[-1].seq
            await self._send({"notes": _notes(notes)})

    async def _read_events(self) -> None:
        """Send new events; the ledger is read once a second at most."""
        first = True
        while True:
            try:
                job = await self._desk.hub.ledger.job(self._job_id)
                events = await self._desk.hub.ledger.events(self._job_id)
            except LedgerUnavailable as error:
                await self._send({"trouble": str(error)})
            else:
                new = [event for event in events if event.seq > self._seen]
                if new:
                    self._seen = new[-1].seq
                if new and not first:
                    self.events += len(new)
                    await self._send({"events": [_event(event) for event in new]})
                first = False
                if job is None or job.phase is Phase.FINISHED:
                    return
            await trio.sleep(LEDGER_SECONDS)


def _brief(value: object) -> str:
    words = value if isinstance(value, str) else json.dumps(value, default=str)
    return words if len(words) <= LONGEST_DATA else f"{words[: LONGEST_DATA - 1]}…"


def _event(event: JobEvent) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "attempt": event.attempt,
        "data": {key: _brief(value) for key, value in list(event.data.items())[:MOST_DATA]},
    }
