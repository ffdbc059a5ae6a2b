"""The engine's event stream."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.lowlevel import checkpoint_if_cancelled

from runnerhub.adapters.docker.answers import engine_event
from runnerhub.adapters.docker.followed import Followed
from runnerhub.adapters.docker.frames import unix_seconds
from runnerhub.adapters.docker.http import ANSWER_SECONDS, Http, StreamedAnswer
from runnerhub.adapters.docker.lines import Lines
from runnerhub.adapters.docker.refusal import Refused
from runnerhub.ports.engine import EngineEvent
from runnerhub.ports.errors import EngineUnavailable


class EventStream(trio.abc.ReceiveChannel[EngineEvent]):
    """Every container event, as the engine tells it. Never ends but by an error."""

    def __init__(self, http: Http, answer: StreamedAnswer, followed: Followed) -> None:
        self._http = http
        self._answer = answer
        self._followed = followed
        self._lines = Lines()
        self._ready: list[EngineEvent] = []  # the next one last
        self._is_closed = False

    async def receive(self) -> EngineEvent:
        """Wait for the next event. Cancelling it loses none. Raises EngineUnavailable."""
        await checkpoint_if_cancelled()
        while not self._ready:
            if self._is_closed:
                raise trio.ClosedResourceError
            data = await self._answer.read()
            if not data:
                raise EngineUnavailable(f"The event stream of {self._http.url} has ended")
            try:
                self._take(data)
            except ValueError as error:
                raise self._http.lost(error) from error
        return self._ready.pop()

    async def aclose(self) -> None:
        """Receive no more."""
        self._is_closed = True
        self._ready = []

    def _take(self, data: bytes) -> None:
        events = [engine_event(json.loads(line)) for line in self._lines.feed(data)]
        for event in events:
            self._followed.note(event.action, event.name)
        events.reverse()
        self._ready = events


@asynccontextmanager
async def open_events(http: Http, followed: Followed, label: str) -> AsyncIterator[EventStream]:
    """Subscribe to the events of containers with a label; entered means subscribed."""
    try:
        # The engine answers a moment before it subscribes, so it is asked for all since its now.
        now = (await http.json("GET", "info", ANSWER_SECONDS))["SystemTime"]
        filters = json.dumps({"type": ["container"], "label": [label]})
        params = {"since": unix_seconds(now), "filters": filters}
        answer = await http.stream("events", ANSWER_SECONDS, params)
    except Refused as refused:
        raise refused.as_error() from None
    followed.listeners += 1
    try:
        try:
            await answer.head()
        except Refused as refused:
            raise refused.as_error() from None
        yield EventStream(http, answer, followed)
    finally:
        followed.listeners -= 1
        answer.close()
