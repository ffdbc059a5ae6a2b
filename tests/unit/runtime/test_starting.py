"""Edges of the start: what becomes of starter and actor when something else happens meanwhile."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.runtime import ActorContext, ChildSpec, Reason, Registry, StartFailed, shielded
from runnerhub.runtime.life import Life

from .helpers import Boom


def a_life(actor: Any, **options: Any) -> Life:
    return Life(ChildSpec("it", actor, **options), Registry())


async def slow(ctx: ActorContext[Any]) -> None:
    await trio.sleep(5)
    ctx.started()
    await trio.sleep_forever()


async def test_s16_a_stop_may_end_a_start(autojump_clock: MockClock) -> None:
    life = a_life(slow, shutdown=2.0)
    async with trio.open_nursery() as nursery:

        async def start() -> None:
            with pytest.raises(StartFailed, match="without calling started"):
                await life.start_in(nursery, lambda _: None)
            assert trio.current_time() - life.started_at == pytest.approx(2)

        nursery.start_soon(start)
        await wait_all_tasks_blocked()
        life.stop()
    assert life.ref.down is not None
    assert life.ref.down.reason is Reason.CANCELLED


async def test_s20_the_budget_runs_from_the_stop_though_the_start_comes_later(
    autojump_clock: MockClock,
) -> None:
    life = a_life(slow, shutdown=7.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.start_in, nursery, lambda _: None)
        await wait_all_tasks_blocked()
        life.stop()
        await life.ended.wait()
    assert trio.current_time() - life.started_at == pytest.approx(7)


async def test_s16_the_start_timeout_ends_with_the_start(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        life = a_life(slow, start_timeout=6.0)
        await life.start_in(nursery, lambda _: None)
        await trio.sleep(100)
        assert life.phase == "running"
        nursery.cancel_scope.cancel()


async def test_s17_who_was_cancelled_has_not_started(autojump_clock: MockClock) -> None:
    async def stubborn(ctx: ActorContext[Any]) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with shielded(3.0):
                await trio.sleep(1)
                ctx.started()

    life = a_life(stubborn)
    ended: list[Life] = []
    async with trio.open_nursery() as home:
        with trio.move_on_after(2.0) as scope:
            await life.start_in(home, ended.append)
        assert scope.cancelled_caught
        assert trio.current_time() - life.started_at == pytest.approx(3)
        assert life.ended.is_set()
    assert not ended


async def test_s17_a_crash_of_the_cancelled_actor_is_told(autojump_clock: MockClock) -> None:
    async def breaks(_: ActorContext[Any]) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise Boom

    async with trio.open_nursery() as home:
        with trio.move_on_after(2.0), pytest.raises(StartFailed) as caught:
            await a_life(breaks).start_in(home, lambda _: None)
    assert isinstance(caught.value.__cause__, Boom)


async def test_s43_a_cancelled_home_cancels_whoever_starts_there(
    autojump_clock: MockClock,
) -> None:
    life = a_life(slow)
    async with trio.open_nursery() as outside, trio.open_nursery() as home:

        async def start() -> None:
            with pytest.raises(StartFailed):
                await life.start_in(home, lambda _: None)

        outside.start_soon(start)
        await wait_all_tasks_blocked()
        home.cancel_scope.cancel()
    assert life.ref.down is not None
    assert life.ref.down.reason is Reason.CANCELLED


async def test_s16_a_closed_home_takes_nobody_in() -> None:
    async with trio.open_nursery() as home:
        pass
    life = a_life(slow)
    with pytest.raises(StartFailed, match="closed"):
        await life.start_in(home, lambda _: None)
    assert not life.ref.alive
