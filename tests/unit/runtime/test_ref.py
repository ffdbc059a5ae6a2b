from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.runtime import ActorContext, ActorDied, AskTimeout, MailboxFull, ReplyTo

from .helpers import Boom, an_actor


async def deaf(ctx: ActorContext[Any]) -> None:
    ctx.started()
    await ctx.stopping.wait()


async def test_s10_the_first_answer_counts(autojump_clock: MockClock) -> None:
    async def actor(ctx: ActorContext[ReplyTo[int]]) -> None:
        async for reply_to in ctx:
            reply_to.send(1)
            reply_to.send(2)
            reply_to.fail(Boom())

    async with an_actor(actor) as ref:
        assert await ref.ask(lambda reply_to: reply_to, 1.0) == 1
        assert not ref._asks  # an actor that lives long remembers no asker


async def test_s10_an_answer_to_nobody_is_dropped(autojump_clock: MockClock) -> None:
    async def slow(ctx: ActorContext[ReplyTo[int]]) -> None:
        async for reply_to in ctx:
            await trio.sleep(2)
            reply_to.send(1)

    async with an_actor(slow) as ref:
        with pytest.raises(AskTimeout):
            await ref.ask(lambda reply_to: reply_to, 1.0)
        await trio.sleep(2)
        assert ref.alive


async def test_s11_an_ask_has_a_bound(autojump_clock: MockClock) -> None:
    async with an_actor(deaf) as ref:
        before = trio.current_time()
        with pytest.raises(AskTimeout, match="within 3 s"):
            await ref.ask(lambda reply_to: reply_to, 3.0)
        assert trio.current_time() - before == pytest.approx(3.0)


async def test_s12_the_end_of_an_actor_releases_its_askers(autojump_clock: MockClock) -> None:
    released: list[str] = []

    async def actor(ctx: ActorContext[Any]) -> None:
        ctx.started()
        await ctx.stopping.wait()

    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ActorDied, match="stopped"):
                await ref.ask(lambda reply_to: reply_to, 100.0)
            released.append("asker")

        async def tell() -> None:
            with pytest.raises(ActorDied):
                await ref.tell_wait("more")
            released.append("teller")

        async with an_actor(actor, mailbox_size=1) as ref:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            nursery.start_soon(tell)
            await wait_all_tasks_blocked()
    assert sorted(released) == ["asker", "teller"]


async def test_s13_a_ref_outlives_its_actor_and_says_so(autojump_clock: MockClock) -> None:
    async with an_actor(deaf) as ref:
        pass
    with pytest.raises(ActorDied):
        ref.tell("hello")
    with pytest.raises(ActorDied):
        await ref.tell_wait("hello")
    with pytest.raises(ActorDied):
        await ref.ask(lambda reply_to: reply_to, 1.0)
    assert "ended" in repr(ref)


async def test_s14_an_error_can_be_the_answer(autojump_clock: MockClock) -> None:
    async def actor(ctx: ActorContext[ReplyTo[int]]) -> None:
        async for reply_to in ctx:
            reply_to.fail(Boom("no"))

    async with an_actor(actor) as ref:
        with pytest.raises(Boom, match="no"):
            await ref.ask(lambda reply_to: reply_to, 1.0)
        assert ref.alive


async def test_s1_a_tell_to_a_full_actor_raises(autojump_clock: MockClock) -> None:
    async with an_actor(deaf, mailbox_size=1) as ref:
        ref.tell(1)
        with pytest.raises(MailboxFull, match="it has 1 messages"):
            ref.tell(2)
        assert ref.statistics().depth == 1
