"""Calls, on real time but short: a mock clock knows nothing of the host loop's time."""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import pytest
import trio
import trio.lowlevel

from runnerhub.runtime import Bridge, BridgeClosed, CallCancelled, run_guest
from tests.parts.needs import need_uvloop

T = TypeVar("T")

Guest = Callable[[Callable[[Bridge], Awaitable[T]]], T]


@pytest.fixture(params=["asyncio", "uvloop"])
def guest(request: pytest.FixtureRequest) -> Guest[Any]:
    if request.param == "uvloop":
        need_uvloop()
    return partial(run_guest, use_uvloop=request.param == "uvloop", grace_seconds=0.5)


async def add(one: int, *, two: int) -> int:
    await asyncio.sleep(0)
    return one + two


async def until_cancelled(scope: trio.CancelScope) -> None:
    """Cancel the caller's scope, once this is under way, and wait."""
    asyncio.get_running_loop().call_soon(scope.cancel)
    await asyncio.get_running_loop().create_future()


def test_s54_a_result_comes_across(guest: Guest[int]) -> None:
    async def main(bridge: Bridge) -> int:
        assert await bridge.call(add, 1, two=2) == 3
        statistics = bridge.statistics()
        assert (statistics.calls, statistics.in_flight, statistics.abandoned) == (1, 0, 0)
        return await bridge.call(add, 3, two=4)

    assert guest(main) == 7


def test_s54_an_exception_comes_with_its_traceback(guest: Guest[None]) -> None:
    async def deep() -> None:
        await asyncio.sleep(0)
        raise ValueError("from below")

    async def main(bridge: Bridge) -> None:
        await bridge.call(deep)

    with pytest.raises(ValueError, match="from below") as caught:
        guest(main)
    assert any(frame.name == "deep" for frame in traceback.extract_tb(caught.value.__traceback__))


def test_s54_calls_run_side_by_side(guest: Guest[None]) -> None:
    async def main(bridge: Bridge) -> None:
        gate: asyncio.Future[None] = bridge.loop.create_future()

        async def wait() -> None:
            await asyncio.shield(gate)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(bridge.call, wait)
            while bridge.statistics().in_flight < 20:
                await trio.lowlevel.checkpoint()
            gate.set_result(None)

    guest(main)


def test_s54_a_cancellation_by_others_is_an_error(guest: Guest[None]) -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    async def main(bridge: Bridge) -> None:
        with pytest.raises(CallCancelled):
            await bridge.call(give_up)

    guest(main)


def test_s55_a_cancelled_call_waits_for_the_libraries_clean_up(guest: Guest[None]) -> None:
    steps: list[str] = []

    async def library(scope: trio.CancelScope) -> None:
        try:
            await until_cancelled(scope)
        finally:
            await asyncio.sleep(0.02)
            steps.append("library")

    async def main(bridge: Bridge) -> None:
        with trio.CancelScope() as scope:
            try:
                await bridge.call(library, scope)
            finally:
                steps.append("caller")
        assert scope.cancelled_caught

    guest(main)
    assert steps == ["library", "caller"]


def test_s55_a_failure_on_the_way_out_is_its_context(guest: Guest[None]) -> None:
    async def library(scope: trio.CancelScope) -> None:
        try:
            await until_cancelled(scope)
        finally:
            raise ValueError("torn")

    async def main(bridge: Bridge) -> None:
        with trio.CancelScope() as scope:
            try:
                await bridge.call(library, scope)
            except trio.Cancelled as cancelled:
                assert isinstance(cancelled.__context__, ValueError)  # noqa: PT017
                raise
        assert scope.cancelled_caught

    guest(main)


def test_s55_nothing_starts_in_a_cancelled_scope(guest: Guest[None]) -> None:
    async def main(bridge: Bridge) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await bridge.call(add, 1, two=2)
        assert scope.cancelled_caught
        assert bridge.statistics().calls == 0

    guest(main)


def test_s56_a_result_is_not_lost(guest: Guest[None]) -> None:
    async def acquires(scope: trio.CancelScope) -> str:
        try:
            await until_cancelled(scope)
        except asyncio.CancelledError:
            return "acquired"
        return "never"

    async def main(bridge: Bridge) -> None:
        got = None
        with trio.CancelScope() as scope:
            got = await bridge.call(acquires, scope)
            await trio.lowlevel.checkpoint()
        assert got == "acquired"
        assert scope.cancelled_caught

    guest(main)


def test_s56_not_even_in_the_last_moment(guest: Guest[None]) -> None:
    async def main(bridge: Bridge) -> None:
        got = None
        with trio.CancelScope() as scope:

            async def ends_then_is_cancelled() -> str:
                # Runs after this function has returned, and before anybody was told so.
                bridge.loop.call_soon(scope.cancel)
                return "acquired"

            got = await bridge.call(ends_then_is_cancelled)
            await trio.lowlevel.checkpoint()
        assert got == "acquired"
        assert scope.cancelled_caught

    guest(main)


def test_s57_what_does_not_end_is_abandoned_and_told() -> None:
    told: list[asyncio.Task[Any]] = []

    async def main(bridge: Bridge) -> None:
        release = asyncio.Event()

        async def stubborn(scope: trio.CancelScope) -> None:
            bridge.loop.call_soon(scope.cancel)
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue
            raise ValueError("nobody is interested any more")

        with trio.CancelScope() as scope:
            await bridge.call_or_abandon(told.append, stubborn, scope)
        assert scope.cancelled_caught
        assert bridge.statistics().abandoned == 1
        assert not told[0].done()
        release.set()

    run_guest(main, grace_seconds=0.02)
    assert told[0].done()


@pytest.mark.parametrize("seed", range(8))
def test_s58_a_cancel_storm_leaves_nothing(guest: Guest[None], seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a repeatable storm
    held = 0

    async def library(seconds: float) -> None:
        nonlocal held
        held += 1
        try:
            await asyncio.sleep(seconds)
            if rng.random() < 0.1:
                raise ValueError
        finally:
            try:
                await asyncio.sleep(rng.choice((0, 0, 0.002)))
            finally:
                held -= 1

    async def caller(bridge: Bridge) -> None:
        for _ in range(10):
            try:
                with trio.move_on_after(rng.random() * 0.004):
                    await bridge.call(library, rng.random() * 0.004)
            except ValueError:
                pass

    async def main(bridge: Bridge) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(caller, bridge)
            if seed % 2:
                await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
        assert held == 0
        assert bridge.statistics().in_flight == 0
        assert bridge.statistics().abandoned == 0
        # This run's own host task is the only one that may be left.
        assert len(asyncio.all_tasks(bridge.loop)) == 1

    guest(main)


def test_s63_a_bridge_ends_with_its_run(guest: Guest[Bridge]) -> None:
    async def main(bridge: Bridge) -> Bridge:
        await trio.lowlevel.checkpoint()
        return bridge

    bridge = guest(main)

    async def late() -> None:
        with pytest.raises(BridgeClosed):
            await bridge.call(add, 1, two=2)

    trio.run(late)
