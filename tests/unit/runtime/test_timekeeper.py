from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.runtime import ActorContext, AskTimeout, ReplyTo
from runnerhub.runtime.timekeeper import timekeeper

from .helpers import an_actor


async def deaf(ctx: ActorContext[Any]) -> None:
    ctx.started()
    await ctx.stopping.wait()


async def test_s11_each_ask_has_its_own_bound(autojump_clock: MockClock) -> None:
    ended: list[tuple[float, float]] = []

    async def ask(seconds: float) -> None:
        with pytest.raises(AskTimeout):
            await ref.ask(lambda reply_to: reply_to, seconds)
        ended.append((seconds, trio.current_time() - began))

    async with an_actor(deaf, mailbox_size=100) as ref:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for timeout in (5.0, 1.0, 3.0, 0.0):
                nursery.start_soon(ask, timeout)
            await wait_all_tasks_blocked()
            nursery.start_soon(ask, 2.0)
    for seconds, passed in ended:
        assert passed == pytest.approx(seconds)
    assert len(ended) == 5


async def test_s11_an_earlier_bound_may_come_later(autojump_clock: MockClock) -> None:
    async with an_actor(deaf, mailbox_size=100) as ref, trio.open_nursery() as nursery:
        began = trio.current_time()

        async def ask(seconds: float) -> float:
            with pytest.raises(AskTimeout):
                await ref.ask(lambda reply_to: reply_to, seconds)
            return trio.current_time() - began

        nursery.start_soon(ask, 60.0)
        await trio.sleep(10)
        assert await ask(1.0) == pytest.approx(11)
        nursery.cancel_scope.cancel()


async def test_s10_an_ended_ask_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    async def actor(ctx: ActorContext[ReplyTo[int]]) -> None:
        async for reply_to in ctx:
            reply_to.send(1)

    async with an_actor(actor) as ref:
        for timeout in (1.0, 2.0, float("inf")):
            assert await ref.ask(lambda reply_to: reply_to, timeout) == 1
        with trio.move_on_after(0) as scope:
            await ref.ask(lambda reply_to: reply_to, 3.0)
        assert scope.cancelled_caught
        assert not timekeeper()._lines
        assert not ref._asks
        # The deadline that an answered ask left behind wakes the timekeeper once, and that is all.
        await trio.sleep(10)
        assert timekeeper()._sleep.deadline == float("inf")
