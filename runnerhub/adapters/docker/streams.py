"""The engine's event stream and a container's log, as asyncio generators."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp

from runnerhub.adapters.docker.answers import engine_event, inspected_container
from runnerhub.adapters.docker.client import Client, Refused
from runnerhub.adapters.docker.frames import Demultiplexer, unix_seconds
from runnerhub.model.logs import LogCursor, LogEntry, Resume
from runnerhub.ports.engine import EngineEvent
from runnerhub.ports.errors import EngineUnavailable

ANSWER_SECONDS = 10.0
_MISSING = 404


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Split an answer into lines of any length."""
    pending = b""
    async for chunk in response.content.iter_any():
        *whole, pending = (pending + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
    if pending.strip():
        yield pending


async def events(client: Client, label: str) -> AsyncGenerator[EngineEvent | None, None]:
    """Yield None once subscribed, then every container event. Never ends but by an error."""
    # The engine answers a moment before it subscribes, so it is asked for all since its own now.
    now = (await client.json("GET", "info", ANSWER_SECONDS))["SystemTime"]
    params = {
        "since": unix_seconds(now),
        "filters": json.dumps({"type": ["container"], "label": [label]}),
    }
    async with client.stream("GET", "events", ANSWER_SECONDS, params=params) as response:
        yield None
        async for line in lines(response):
            yield engine_event(json.loads(line))
    raise EngineUnavailable(f"The event stream of {client.url} has ended")


async def logs(client: Client, name: str, since: str) -> AsyncGenerator[LogEntry, None]:
    """Yield a container's log from a timestamp to its end.

    A stream that was followed may end short of the last lines; so what the engine has on disk
    after the container's end is read once more from the last timestamp on.
    """
    cursor, followed = LogCursor(), False
    try:
        async for entry in _read(client, name, since, follow=True):
            cursor = cursor.advance(entry)
            yield entry
        followed = True
        if not await _has_ended(client, name):
            raise EngineUnavailable(f"The log of {name} broke off: {client.url} let go of it")
        resume = Resume(cursor)
        async for entry in _read(client, name, cursor.at or since, follow=False):
            if resume.is_new(entry):
                yield entry
    except Refused as refused:
        # Removed once it was followed to its end: nobody can read more of it.
        if not (followed and (refused.status == _MISSING or refused.says("for removal"))):
            raise refused.as_error() from None


async def _read(
    client: Client, name: str, since: str, *, follow: bool
) -> AsyncGenerator[LogEntry, None]:
    params: dict[str, Any] = {"stdout": "1", "stderr": "1", "timestamps": "1"}
    params["follow"] = "1" if follow else "0"
    if since:
        params["since"] = unix_seconds(since)
    path = f"containers/{quote(name, safe='')}/logs"
    demultiplexer = Demultiplexer()
    async with client.stream("GET", path, ANSWER_SECONDS, params=params) as response:
        async for chunk in response.content.iter_any():
            for entry in demultiplexer.feed(chunk):
                yield entry
    if demultiplexer.is_inside_frame:
        raise EngineUnavailable(f"The log of {name} broke off inside a line")


async def _has_ended(client: Client, name: str) -> bool:
    path = f"containers/{quote(name, safe='')}/json"
    try:
        state = inspected_container(await client.json("GET", path, ANSWER_SECONDS))
    except Refused as refused:
        if refused.status == _MISSING:
            return True
        raise
    # A start that failed leaves the container "created", with the engine's words.
    return state.has_ended or state.status == "removing" or bool(state.error)
