"""Logs, attach and events: they go on until one side has enough.

What a container writes comes in frames: a byte that names the stream, three zeros, four bytes of
length. A terminal's output comes as it is.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

import trio

from runnerhub.model.logs import LogEntry
from runnerhub.sim.channel import ENDED, Pulled
from runnerhub.sim.clock import rfc3339
from runnerhub.sim.container import DetailedSpec, SimContainer
from runnerhub.sim.events import SimEvent
from runnerhub.sim.process import SimProcess
from runnerhub.sim.refusals import BadParameter
from runnerhub.sim.wire import answers
from runnerhub.sim.wire.calls import RAW_STREAM, Answer, Call
from runnerhub.sim.wire.filters import Filters, parse_filters
from runnerhub.sim.wire.http import Request
from runnerhub.sim.world import has_label

_FILES = {"stdout": 1, "stderr": 2}
_AT_ONCE, _ALL = 256, 1 << 62
_SECOND = 10**9

T = TypeVar("T")
Frame = Callable[[LogEntry], bytes]


def frame(*, tty: bool, timestamps: bool = False) -> Frame:
    """Return how to write an entry."""

    def write(entry: LogEntry) -> bytes:
        data = entry.at.encode() + b" " + entry.data if timestamps else entry.data
        if tty:
            return data.replace(b"\n", b"\r\n")
        return b"%c\0\0\0%b%b" % (_FILES[entry.stream], len(data).to_bytes(4, "big"), data)

    return write


def moment(request: Request, name: str) -> int | None:
    """Read a time, `seconds.nanoseconds` since 1970, as nanoseconds.

    Raises:
        BadParameter: it is none.
    """
    text = request.query.get(name, "")
    if text in ("", "0"):
        return None
    seconds, _, fraction = text.partition(".")
    try:
        return int(seconds) * _SECOND + int(f"{fraction:0<9}"[:9])
    except ValueError:
        raise BadParameter(f"invalid value for {name!r}: {text!r}") from None


async def logs(call: Call) -> Answer | None:
    """GET /containers/NAME/logs."""
    await call.engine.begin("logs")
    request, world = call.request, call.engine.world
    container, generation = world.existing(call.name), world.generation
    wanted = {name for name in _FILES if request.flag(name)}
    if not wanted:
        raise BadParameter("Bad parameters: you must choose at least one stream")
    since, until = moment(request, "since"), moment(request, "until")
    first, last = rfc3339(since) if since else "", rfc3339(until) if until else "9"
    follow, number = request.flag("follow"), _tail(container, request)

    def take() -> LogEntry | float:
        nonlocal number
        world.check(generation)
        if container.started_at is None:
            raise trio.EndOfChannel
        while not isinstance(entry := container.take(number), float):
            if entry is None:
                raise trio.EndOfChannel
            number += 1
            if entry.stream in wanted and first <= entry.at <= last:
                return entry
        if not follow:
            raise trio.EndOfChannel
        return entry

    write = frame(tty=_has_tty(container), timestamps=request.flag("timestamps"))
    pulled = Pulled(take, container.changes)
    entries, more_at = pulled.ready(_AT_ONCE if follow else _ALL)
    data = b"".join(map(write, entries))
    if not follow:
        return Answer(200, data, RAW_STREAM)
    if more_at == ENDED:
        await call.whole(RAW_STREAM, data)
        return None
    async with call.chunks(RAW_STREAM) as out:
        await out.send(data)
        await copy(pulled, write, out.send)
    return None


def _tail(container: SimContainer, request: Request) -> int:
    lines = request.query.get("tail", "all")
    if lines in ("", "all") or not lines.isdigit():
        return 0
    return max(0, written(container) - int(lines))


def written(process: SimProcess) -> int:
    """Return how many entries a process has written by now."""
    number = 0
    while isinstance(process.take(number), LogEntry):
        number += 1
    return number


def _has_tty(container: SimContainer) -> bool:
    return isinstance(container.spec, DetailedSpec) and container.spec.tty


async def copy(
    pulled: Pulled[T], write: Callable[[T], bytes], send: Callable[[bytes], Awaitable[None]]
) -> None:
    """Send items as they come, to their end; what is there already goes in one piece."""
    while True:
        items, more_at = pulled.ready(_AT_ONCE)
        if items:
            await send(b"".join(map(write, items)))
        if more_at == ENDED:
            return
        if not items or more_at is None:  # else there may be more since, by what `send` waited
            await pulled.more(more_at)


async def attach(call: Call) -> Answer | None:
    """POST /containers/NAME/attach: the connection becomes its output, and its input."""
    await call.engine.begin("attach")
    request, world = call.request, call.engine.world
    container, generation = world.existing(call.name), world.generation
    wanted = {name for name in _FILES if request.flag(name)}
    number = 0 if request.flag("logs") else written(container)
    streams = request.flag("stream")

    def take() -> LogEntry | float:
        nonlocal number
        world.check(generation)
        while not isinstance(entry := container.take(number), float):
            if entry is None:
                raise trio.EndOfChannel
            number += 1
            if entry.stream in wanted:
                return entry
        if container.removed or not streams:
            raise trio.EndOfChannel
        return entry

    async def read() -> None:
        if not (request.flag("stdin") and container.spec.stdin):
            return
        try:
            while data := await call.connection.receive():
                world.feed(container, data)
        finally:
            world.close_stdin(container)

    await call.hijack()
    async with call.watched(read):
        pulled = Pulled(take, container.changes)
        await copy(pulled, frame(tty=_has_tty(container)), call.connection.send)
    return None


async def events(call: Call) -> Answer | None:
    """GET /events."""
    await call.engine.begin("events")
    world, request = call.engine.world, call.request
    filters = parse_filters(request.query.get("filters"))
    since, until = moment(request, "since"), moment(request, "until")
    log, clock = world.events, world.clock
    position = log.end
    if since is not None:
        position = log.start
        while position < log.end and clock.unix_ns(log.at(position).at) < since:
            position += 1

    take = call.engine.events_from(position, _wanted(filters))
    ends_at = math.inf
    if until is not None:
        ends_at = clock.now() + (until - clock.unix_ns(clock.now())) / _SECOND

    def taken() -> SimEvent | float:
        item = take()
        if not isinstance(item, float):
            return item
        if clock.now() >= ends_at:
            raise trio.EndOfChannel
        return min(item, ends_at)

    pulled = Pulled(taken, world.changes)
    async with call.chunks() as out:
        await copy(pulled, partial(answers.event, world), out.send)
    return None


_WAYS: Mapping[str, Callable[[SimEvent, str], bool]] = {
    "type": lambda event, wanted: event.kind == wanted,
    "event": lambda event, wanted: event.action == wanted,
    "label": lambda event, wanted: has_label(event.labels, wanted),
    "container": lambda event, wanted: wanted == event.name or event.actor.startswith(wanted),
    "image": lambda event, wanted: event.details.get("image") == wanted,
    "network": lambda event, wanted: event.kind == "network" and event.name == wanted,
}


def _wanted(filters: Filters) -> Callable[[SimEvent], bool]:
    # Worked out once, for it is asked at each event.
    rules = [
        (_WAYS[key], all if key == "label" else any, values)
        for key, values in filters.items()
        if key in _WAYS and values
    ]

    def wanted(event: SimEvent) -> bool:
        for holds, these, values in rules:
            if not these([holds(event, value) for value in values]):
                return False
        return True

    return wanted
