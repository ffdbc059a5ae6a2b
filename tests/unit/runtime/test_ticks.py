"""Who waits for trio: the host loop itself, or a thread where trio looks otherwise."""

import asyncio
import importlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from runnerhub.runtime import Bridge, run_guest, ticks
from tests.parts.needs import need_uvloop

# What the two ways have to do alike; each on both loops.
pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture(params=["hosted", "thread"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the host loop wait, or trio's thread."""
    made: list[ticks.Ticks] = []
    init = ticks.Ticks.__init__

    def remember(self: ticks.Ticks, loop: asyncio.AbstractEventLoop) -> None:
        init(self, loop)
        made.append(self)

    monkeypatch.setattr(ticks.Ticks, "__init__", remember)
    if request.param == "thread":
        monkeypatch.setattr(ticks, "_STATE", frozenset({"what_this_trio_does_not_have"}))
    yield request.param
    assert [each.hosted for each in made] == [request.param == "hosted"] * len(made)
    assert made


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def use_uvloop(request: pytest.FixtureRequest) -> bool:
    """Which loop is the host."""
    if request.param:
        need_uvloop()
    return bool(request.param)


def test_a_socket_wakes_a_waiting_task(use_uvloop: bool) -> None:  # noqa: FBT001
    async def main(_: Bridge) -> bytes:
        ours, theirs = socket.socketpair()
        with trio.socket.from_stdlib_socket(ours) as near, theirs:
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def send() -> None:
                    await trio.sleep(0.02)  # by then the other one waits in the selector
                    theirs.send(b"word")

                return await near.recv(10)

    assert run_guest(main, use_uvloop=use_uvloop) == b"word"


def test_a_later_deadline_does_not_hold_up_an_earlier_one(use_uvloop: bool) -> None:  # noqa: FBT001
    async def main(_: Bridge) -> list[str]:
        order: list[str] = []

        async def sleep(seconds: float, name: str) -> None:
            await trio.sleep(seconds)
            order.append(name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleep, 0.06, "third")
            await trio.sleep(0.01)
            nursery.start_soon(sleep, 0.03, "second")
            nursery.start_soon(sleep, 0.001, "first")
        return order

    assert run_guest(main, use_uvloop=use_uvloop) == ["first", "second", "third"]


def test_a_sleep_is_not_shorter_than_asked(use_uvloop: bool) -> None:  # noqa: FBT001
    async def main(_: Bridge) -> list[float]:
        taken = []
        for seconds in (0.0003, 0.0014, 0.0051, 0.0102):
            began = time.perf_counter()
            await trio.sleep(seconds)
            taken.append(time.perf_counter() - began - seconds)
        return taken

    assert min(run_guest(main, use_uvloop=use_uvloop)) >= 0


def test_another_thread_wakes_it(use_uvloop: bool) -> None:  # noqa: FBT001
    async def main(_: Bridge) -> int:
        token, event = trio.lowlevel.current_trio_token(), trio.Event()
        thread = threading.Timer(0.02, token.run_sync_soon, [event.set])
        thread.start()
        await event.wait()
        thread.join()
        return await trio.to_thread.run_sync(lambda: 7)

    assert run_guest(main, use_uvloop=use_uvloop) == 7


def test_the_host_loop_wakes_it(use_uvloop: bool) -> None:  # noqa: FBT001
    async def main(bridge: Bridge) -> str:
        event = trio.Event()
        bridge.loop.call_later(0.02, event.set)
        await event.wait()
        return await bridge.call(asyncio.sleep, 0.01, "back")

    assert run_guest(main, use_uvloop=use_uvloop) == "back"


def test_the_host_loop_has_its_turns_while_trio_never_rests(use_uvloop: bool) -> None:  # noqa: FBT001
    async def main(bridge: Bridge) -> int:
        turns = 0

        def turn() -> None:
            nonlocal turns
            turns += 1
            bridge.loop.call_soon(turn)

        turn()
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        return turns

    assert run_guest(main, use_uvloop=use_uvloop) >= 50


def test_what_a_run_raises_comes_out_and_nothing_is_left(use_uvloop: bool) -> None:  # noqa: FBT001
    async def main(_: Bridge) -> None:
        await trio.sleep(0.001)
        raise LookupError("from within")

    for _ in range(3):
        with pytest.raises(LookupError, match="from within"):
            run_guest(main, use_uvloop=use_uvloop)


def test_only_the_way_with_a_thread_takes_one(
    way: str,
    use_uvloop: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trio_run = importlib.import_module("trio._core._run")
    started: list[object] = []
    start = trio_run.start_thread_soon

    def note(*args: Any, **kwargs: Any) -> None:
        started.append(args)
        start(*args, **kwargs)

    monkeypatch.setattr(trio_run, "start_thread_soon", note)

    async def main(_: Bridge) -> None:
        for _turn in range(3):
            await trio.sleep(0.005)

    run_guest(main, use_uvloop=use_uvloop)
    assert bool(started) is (way == "thread")
