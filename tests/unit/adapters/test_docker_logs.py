"""A followed log: what it asks the engine at its end, and that it is read whole."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from runnerhub.adapters.docker.events import open_events
from runnerhub.adapters.docker.followed import Followed
from runnerhub.adapters.docker.http import Http
from runnerhub.adapters.docker.logs import LogStream
from runnerhub.ports.errors import EngineRefused, EngineUnavailable
from tests.unit.adapters.scripted import CHUNKED, answered, chunk, scripted

LINES = [f"2026-01-01T00:00:0{n // 2}.00000000{n}Z line {n}\n".encode() for n in range(6)]
STATE = {"Name": "/rh-x", "Id": "1", "State": {"Status": "running"}}


def framed(*lines: bytes) -> bytes:
    return b"".join(b"\1\0\0\0" + len(line).to_bytes(4, "big") + line for line in lines)


class Logged:
    """An engine with one container: a followed log that misses its last lines."""

    def __init__(self) -> None:
        self.state = "exited"
        self.is_gone = False
        self.die_after: float | None = None
        self.missing = 2
        self.requests: list[str] = []

    async def __call__(self, target: str, stream: trio.SocketStream) -> None:
        path = (
            target.split("?", maxsplit=1)[0].removeprefix("GET /").removeprefix("containers/rh-x/")
        )
        follow = "follow=1" in target
        self.requests.append(f"{path} follow" if follow else path)
        if path == "info":
            await stream.send_all(answered({"SystemTime": "2026-01-01T00:00:00Z"}))
        elif path == "events":
            await stream.send_all(CHUNKED)
            if self.die_after is not None:
                await trio.sleep(self.die_after)
                event = {"Action": "die", "Actor": {"Attributes": {"name": "rh-x"}}}
                await stream.send_all(chunk(json.dumps(event).encode() + b"\n"))
            await trio.sleep_forever()
        elif self.is_gone and not follow:
            await stream.send_all(answered({"message": "No such container: rh-x"}, 404))
        elif path == "json":
            await stream.send_all(answered({**STATE, "State": {"Status": self.state}}))
        else:
            count = len(LINES) - (self.missing if follow else 0)
            since = target.partition("since=")[2].split("&")[0]
            first = int(since.split(".")[1]) if since else 0
            data = framed(*LINES[first:count])
            pieces = [chunk(data[at : at + 7]) for at in range(0, len(data), 7)]
            await stream.send_all(CHUNKED + b"".join(pieces) + chunk(b""))


@asynccontextmanager
async def followed_log(
    folder: Path, engine: Logged, followed: Followed | None = None
) -> AsyncIterator[tuple[Http, LogStream]]:
    async with scripted(folder, engine) as (_, http):
        log = LogStream(http, followed or Followed(), "rh-x", "containers/rh-x", "")
        async with log:
            yield http, log


async def whole(log: LogStream) -> list[bytes]:
    return [entry.data async for entry in log]


ALL = [line.split(b" ", 1)[1] for line in LINES]


async def test_a_log_that_ended_is_asked_for_its_container_and_read_again(tmp_path: Path) -> None:
    engine = Logged()
    async with followed_log(tmp_path, engine) as (_, log):
        assert await whole(log) == ALL
        with pytest.raises(trio.EndOfChannel):
            await log.receive()
    assert engine.requests == ["logs follow", "json", "logs"]


@pytest.mark.parametrize("die_after", [0.0, 0.05])
async def test_who_was_told_of_the_end_does_not_ask(
    tmp_path: Path, autojump_clock: MockClock, die_after: float
) -> None:
    engine, followed = Logged(), Followed()
    engine.die_after = die_after
    async with (
        followed_log(tmp_path, engine, followed) as (http, log),
        open_events(http, followed, "x") as events,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(events.receive)
        assert await whole(log) == ALL
    assert engine.requests == ["info", "events", "logs follow", "logs"]


async def test_who_is_not_told_in_time_asks(tmp_path: Path, autojump_clock: MockClock) -> None:
    engine, followed = Logged(), Followed()
    async with (
        followed_log(tmp_path, engine, followed) as (http, log),
        open_events(http, followed, "x"),
    ):
        assert await whole(log) == ALL
    assert engine.requests == ["info", "events", "logs follow", "json", "logs"]


async def test_an_end_that_is_known_before_is_read_once(tmp_path: Path) -> None:
    engine = Logged()
    async with followed_log(tmp_path, engine) as (_, log):
        log.container_ended()
        assert await whole(log) == ALL
    assert engine.requests == ["logs"]


async def test_what_runs_on_has_not_ended(tmp_path: Path) -> None:
    engine = Logged()
    engine.state = "running"
    async with followed_log(tmp_path, engine) as (_, log):
        with pytest.raises(EngineUnavailable, match="broke off"):
            await whole(log)


async def test_what_is_gone_behind_its_end_is_read_as_far_as_it_was(tmp_path: Path) -> None:
    engine = Logged()
    engine.is_gone = True
    async with followed_log(tmp_path, engine) as (_, log):
        assert await whole(log) == ALL[:-2]
    async with followed_log(tmp_path, engine) as (_, log):
        log.container_ended()
        with pytest.raises(EngineRefused):
            await whole(log)


async def test_a_receive_that_is_cancelled_anywhere_loses_nothing(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    for steps in range(1, 40):
        engine = Logged()
        async with followed_log(tmp_path, engine) as (_, log):
            got, turns = list[bytes](), 0

            async def count(scope: trio.CancelScope, most: int) -> None:
                for _ in range(most):
                    await trio.lowlevel.checkpoint()
                scope.cancel()

            while True:
                turns += 1
                async with trio.open_nursery() as nursery:
                    if turns <= 3:
                        nursery.start_soon(count, nursery.cancel_scope, steps)
                    try:
                        got.append((await log.receive()).data)
                    except trio.EndOfChannel:
                        break
                    nursery.cancel_scope.cancel()
            assert got == ALL, steps


async def test_a_frame_that_is_cut_is_no_end(tmp_path: Path) -> None:
    async def cut(_: str, stream: trio.SocketStream) -> None:
        await stream.send_all(CHUNKED + chunk(framed(*LINES)[:-3]) + chunk(b""))

    async def garbage(_: str, stream: trio.SocketStream) -> None:
        await stream.send_all(CHUNKED + chunk(b"no frame at all") + chunk(b""))

    for says in (cut, garbage):
        async with scripted(tmp_path, says) as (_, http):
            log = LogStream(http, Followed(), "rh-x", "containers/rh-x", "")
            with pytest.raises(EngineUnavailable):
                await whole(log)
            await log.aclose()


@pytest.mark.parametrize("target", ["logs", "json"])
async def test_a_log_that_cannot_be_read_now_has_not_ended(tmp_path: Path, target: str) -> None:
    class Short(Logged):
        async def __call__(self, asked: str, stream: trio.SocketStream) -> None:
            if f"/{target}" in asked:
                await stream.send_all(answered({"message": "too many open files"}, 500))
            else:
                await super().__call__(asked, stream)

    async with followed_log(tmp_path, Short()) as (_, log):
        with pytest.raises(EngineUnavailable, match="too many open files"):
            await whole(log)
