"""The faults of the simulated engine, on a mock clock."""

import pytest
import trio
from trio.testing import MockClock

from runnerhub.ports.engine import ContainerSpec, NetworkSpec
from runnerhub.ports.errors import EngineRefused, EngineUnavailable, ImagePullFailed, NameConflict
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.faults import Latency

IMAGE = "busybox:1"
LABELS = {"dev.runnerhub.sandbox": "x"}


def spec(*command: str, name: str = "rh-x") -> ContainerSpec:
    return ContainerSpec(name, IMAGE, LABELS, command)


async def running(engine: SimEngine, *command: str) -> None:
    await engine.create_container(spec(*command))
    await engine.start_container("rh-x")


async def test_an_hour_passes_at_once(autojump_clock: MockClock) -> None:
    engine = SimEngine(images=[IMAGE])
    async with engine.events("dev.runnerhub.sandbox=x") as events:
        await running(engine, "sh", "-c", "echo a; sleep 3600; echo b; exit 4")
        async with engine.logs("rh-x") as log:
            assert [entry.data async for entry in log] == [b"a\n", b"b\n"]
        assert trio.current_time() == 3600
        seen = [await events.receive() for _ in range(3)]
    assert [(event.action, event.exit_code) for event in seen] == [
        ("create", None),
        ("start", None),
        ("die", 4),
    ]
    state = await engine.inspect_container("rh-x")
    assert state is not None
    assert state.started_at == "2026-01-01T00:00:00.000000000Z"
    assert state.finished_at == "2026-01-01T01:00:00.000000000Z"


async def test_memory_runs_out(autojump_clock: MockClock) -> None:
    engine = SimEngine(images=[IMAGE])
    async with engine.events("dev.runnerhub.sandbox") as events:
        await running(engine, "oom")
        seen = [(await events.receive()).action for _ in range(4)]
    assert seen == ["create", "start", "oom", "die"]
    state = await engine.inspect_container("rh-x")
    assert state is not None
    assert (state.exit_code, state.out_of_memory) == (137, True)


async def test_a_create_lands_although_its_caller_is_gone(autojump_clock: MockClock) -> None:
    engine = SimEngine(images=[IMAGE])
    engine.delay_next_create(10)
    with trio.move_on_after(1):
        await engine.create_container(spec())
    assert not await engine.remove_container("rh-x")
    assert engine.leftovers() == {}
    await trio.sleep(10)
    assert engine.leftovers() == {"containers": ["rh-x"]}


async def test_a_restart_kills_what_runs(autojump_clock: MockClock) -> None:
    engine = SimEngine(images=[IMAGE])
    await running(engine, "sh", "-c", "echo a; sleep 60")
    async with engine.events("dev.runnerhub.sandbox") as events, engine.logs("rh-x") as log:
        await log.receive()
        engine.crash(down_seconds=5)
        with pytest.raises(EngineUnavailable):
            await events.receive()
        with pytest.raises(EngineUnavailable):
            await log.receive()
    with pytest.raises(EngineUnavailable):
        await engine.info()
    await trio.sleep(5)
    state = await engine.inspect_container("rh-x")
    assert state is not None
    assert (state.status, state.exit_code) == ("exited", 137)


async def test_an_orderly_restart_tells_of_ends_before_the_streams_break(
    autojump_clock: MockClock,
) -> None:
    engine = SimEngine(images=[IMAGE])
    async with engine.events("dev.runnerhub.sandbox") as events:
        await running(engine, "sh", "-c", "echo a; sleep 60")
        async with engine.logs("rh-x") as log, trio.open_nursery() as nursery:
            nursery.start_soon(engine.shut_down, 5.0)
            assert [entry.data async for entry in log] == [b"a\n"]
            seen = [await events.receive() for _ in range(5)]
            with pytest.raises(EngineUnavailable):
                await events.receive()
    assert trio.current_time() == 1
    assert [event.action for event in seen] == ["create", "start", "kill", "die", "stop"]
    assert seen[3].exit_code == 137
    with pytest.raises(EngineUnavailable):
        await engine.info()
    await trio.sleep(5)
    await engine.info()


async def test_containers_run_on_while_the_engine_is_away(autojump_clock: MockClock) -> None:
    engine = SimEngine(images=[IMAGE])
    await running(engine, "sh", "-c", "sleep 5; echo b")
    engine.go_away()
    with pytest.raises(EngineUnavailable):
        await engine.inspect_container("rh-x")
    await trio.sleep(60)
    engine.come_back()
    async with engine.logs("rh-x") as log:
        assert [entry.data async for entry in log] == [b"b\n"]
    state = await engine.inspect_container("rh-x")
    assert state is not None
    assert state.exit_code == 0


async def test_the_next_call_fails_with_and_without_effect(autojump_clock: MockClock) -> None:
    engine = SimEngine(images=[IMAGE], registry=["other:1"])
    engine.fail_next("create_container", EngineRefused("full"))
    with pytest.raises(EngineRefused):
        await engine.create_container(spec())
    assert engine.leftovers() == {}
    engine.fail_next("create_container", EngineUnavailable("cut"), after=True)
    with pytest.raises(EngineUnavailable):
        await engine.create_container(spec())
    with pytest.raises(NameConflict):
        await engine.create_container(spec())
    engine.fail_next("pull_image", ImagePullFailed("no route"), times=2)
    for _ in range(2):
        with pytest.raises(ImagePullFailed):
            await engine.pull_image("other:1")
    await engine.pull_image("other:1")
    assert await engine.has_image("other:1")
    with pytest.raises(ImagePullFailed):
        await engine.pull_image("unknown:1")


async def test_things_take_the_time_they_are_given(autojump_clock: MockClock) -> None:
    engine = SimEngine(
        images=[IMAGE], latency=Latency(call=0.1, create_network=1, start_container=2)
    )
    await engine.create_network(
        NetworkSpec("rh-x", LABELS, "10.0.0.0/29", internal=True, bridge="rh-x")
    )
    assert trio.current_time() == pytest.approx(1)
    await running(engine, "true")
    assert trio.current_time() == pytest.approx(3.1)
    assert engine.leftovers() == {"containers": ["rh-x"], "networks": ["rh-x"]}
    await engine.remove_container("rh-x")
    await engine.remove_network("rh-x")
    assert engine.leftovers() == {}


async def test_two_creates_of_one_name_at_once(autojump_clock: MockClock) -> None:
    engine = SimEngine(images=[IMAGE], latency=Latency(create_container=1))
    results: list[str] = []

    async def create() -> None:
        try:
            await engine.create_container(spec())
            results.append("made")
        except NameConflict:
            results.append("conflict")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(create)
        nursery.start_soon(create)
    assert sorted(results) == ["conflict", "made"]


async def test_every_method_is_a_checkpoint(autojump_clock: MockClock) -> None:
    engine = SimEngine(images=[IMAGE])
    await running(engine, "sleep", "60")
    for call in (
        engine.info,
        engine.networks,
        lambda: engine.inspect_container("rh-x"),
        lambda: engine.containers("a"),
        lambda: engine.exec_ok("rh-x", ("true",)),
        lambda: engine.has_image(IMAGE),
        lambda: engine.pull_image(IMAGE),
        lambda: engine.start_container("rh-x"),
        lambda: engine.stop_container("rh-x", 0),
        lambda: engine.remove_network("rh-n"),
        lambda: engine.remove_container("rh-x"),
    ):
        with trio.CancelScope() as scope:
            scope.cancel()
            await call()
        assert scope.cancelled_caught
    assert engine.leftovers() == {"containers": ["rh-x"]}
