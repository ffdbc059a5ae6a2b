from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.runtime import (
    ActorContext,
    ActorDied,
    ChildSpec,
    Down,
    Monitor,
    Reason,
    Registry,
    Root,
    StartFailed,
    shielded,
)
from runnerhub.runtime.cleanup import cleanup
from runnerhub.runtime.life import Life

from .helpers import Boom


def a_life(actor: Any, registry: Registry | None = None, **options: Any) -> Life:
    return Life(ChildSpec("it", actor, **options), Registry() if registry is None else registry)


async def test_s15_the_starter_waits_until_started(autojump_clock: MockClock) -> None:
    async def slow(ctx: ActorContext[Any]) -> None:
        await trio.sleep(5)
        ctx.started(42)
        ctx.started(43)

    async with trio.open_nursery() as nursery:
        life = a_life(slow)
        await life.start_in(nursery, lambda _: None)
        assert trio.current_time() - life.started_at == pytest.approx(5)
        assert life.ref.started_with == 42


async def test_s15_the_first_receive_says_started(autojump_clock: MockClock) -> None:
    async def actor(ctx: ActorContext[Any]) -> None:
        await ctx.receive()

    async with trio.open_nursery() as nursery:
        life = a_life(actor)
        await life.start_in(nursery, lambda _: None)
        assert life.phase == "running"
        life.ref.tell(1)


async def fails(_: ActorContext[Any]) -> None:
    raise Boom


async def returns(_: ActorContext[Any]) -> None:
    await trio.lowlevel.checkpoint()


async def hangs(_: ActorContext[Any]) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize(
    ("actor", "reason", "words"),
    [
        (fails, Reason.CRASHED, "failed to start"),
        (returns, Reason.NORMAL, "without calling"),
        (hangs, Reason.CANCELLED, "within 3 s"),
    ],
)
async def test_s16_a_failed_start_is_the_starters_failure(
    actor: Any,
    reason: Reason,
    words: str,
    autojump_clock: MockClock,
) -> None:
    registry = Registry()
    ends: list[Life] = []
    async with trio.open_nursery() as nursery:
        life = a_life(actor, registry, start_timeout=3.0)
        with pytest.raises(StartFailed, match=words) as caught:
            await life.start_in(nursery, ends.append)
    assert life.ref.down is not None
    assert life.ref.down.reason is reason
    assert registry.whereis("it") is None
    assert not ends
    if actor is fails:
        assert isinstance(caught.value.__cause__, Boom)


async def test_s17_cancelling_the_starter_cancels_the_actor(autojump_clock: MockClock) -> None:
    registry = Registry()
    async with trio.open_nursery() as home:
        life = a_life(hangs, registry)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.start_in, home, lambda _: None)
            await wait_all_tasks_blocked()
            assert registry.whereis("it") is life.ref
            nursery.cancel_scope.cancel()
        assert life.ended.is_set()
        assert registry.whereis("it") is None
        assert not home.child_tasks


async def ends(ctx: ActorContext[str]) -> None:
    async for message in ctx:
        if message == "crash":
            raise Boom
        if message == "leave":
            return
        if message == "ignore":
            await trio.sleep_forever()


@pytest.mark.parametrize(
    ("message", "stop", "reason"),
    [
        ("leave", False, Reason.NORMAL),
        (None, True, Reason.STOPPED),
        ("crash", False, Reason.CRASHED),
        ("ignore", True, Reason.CANCELLED),
    ],
)
async def test_s18_a_life_ends_as_one_of_four(
    message: str | None,
    stop: bool,  # noqa: FBT001
    reason: Reason,
    autojump_clock: MockClock,
) -> None:
    ended: list[Life] = []
    async with trio.open_nursery() as nursery:
        life = a_life(ends, shutdown=2.0)
        await life.start_in(nursery, ended.append)
        if message:
            life.ref.tell(message)
        await wait_all_tasks_blocked()
        if stop:
            life.stop()
        await life.ended.wait()
    assert life.ref.down is not None
    assert life.ref.down.reason is reason
    assert isinstance(life.ref.down.error, Boom) == (reason is Reason.CRASHED)
    assert ended == [life]


async def test_s18_cancelled_from_outside(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        life = a_life(ends)
        await life.start_in(nursery, lambda _: None)
        nursery.cancel_scope.cancel()
    assert life.ref.down == Down("it", "actor", Reason.CANCELLED)


async def test_s19_the_end_is_one_step(autojump_clock: MockClock) -> None:
    registry = Registry()
    seen: list[tuple[object, ...]] = []

    async with trio.open_nursery() as nursery:
        life = a_life(ends, registry)
        await life.start_in(nursery, lambda _: None)

        def told(down: Down) -> None:
            with pytest.raises(ActorDied):
                life.ref.tell("leave")
            seen.append((down.reason, registry.whereis("it"), life.ref.alive))

        life.ref.on_down(told)
        life.ref.tell("crash")
    assert seen == [(Reason.CRASHED, None, False)]


async def test_s20_the_budget_runs_though_nobody_waits(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        life = a_life(ends, shutdown=2.0)
        await life.start_in(nursery, lambda _: None)
        life.ref.tell("ignore")
        await wait_all_tasks_blocked()
        life.stop()
        await trio.sleep(1)
        life.stop()  # a second stop gives no more time
        assert life.phase == "stopping"
    assert trio.current_time() - life.started_at == pytest.approx(2.0)


async def test_s21_a_stop_waits_for_clean_up_past_the_budget(autojump_clock: MockClock) -> None:
    cleaned: list[float] = []

    async def tidy(ctx: ActorContext[Any]) -> None:
        ctx.started()
        try:
            await trio.sleep_forever()
        finally:
            with shielded(10.0):
                await trio.sleep(7)
                cleaned.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        life = a_life(tidy, shutdown=2.0)
        await life.start_in(nursery, lambda _: None)
        life.stop()
        await life.ended.wait()
        assert trio.current_time() - life.started_at == pytest.approx(9.0)
    assert cleaned


async def test_s49_a_child_owes_nothing_to_its_starters_clean_up(autojump_clock: MockClock) -> None:
    done: list[bool] = []

    async def actor(ctx: ActorContext[Any]) -> None:
        ctx.started()
        with shielded(10.0) as state:
            await trio.sleep(5)
        done.append(not state.timed_out)

    async with trio.open_nursery() as nursery:
        with cleanup(trio.current_time() + 1.0):
            await a_life(actor).start_in(nursery, lambda _: None)
    assert done == [True]


async def test_root_uses_the_registry_that_it_is_given() -> None:
    registry = Registry()
    assert Root(ChildSpec("it", ends), registry).registry is registry


async def test_root_raises_what_its_actor_crashed_of(autojump_clock: MockClock) -> None:
    root = Root(ChildSpec("it", ends))
    with pytest.raises(ActorDied):
        root.stop()
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            with pytest.raises(Boom):
                await root.run()

        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        with Monitor() as monitor:
            monitor.watch(root.registry.ref("it"))
            root.registry.ref("it").tell("crash")
            assert (await monitor.receive()).reason is Reason.CRASHED
