"""Schedules of faults: what a file may say, and what strikes."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from runnerhub.ports.engine import ContainerSpec
from runnerhub.ports.errors import EngineRefused, EngineUnavailable, ImagePullFailed
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.plan import BadPlan, Fault, Plan, load_plan, parse_plan

IMAGE = "busybox:1"
LABEL = "dev.runnerhub.sandbox"


def engine(*faults: Fault, seed: int = 1, name: str = "host-0001") -> SimEngine:
    return SimEngine(name, images=[IMAGE], registry=["other:1"], plan=Plan(seed, faults))


def spec(name: str, *command: str) -> ContainerSpec:
    return ContainerSpec(name, IMAGE, {LABEL: "x"}, command or ("sleep", "100"))


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        'seed = 7\n[[fault]]\nkind = "slow_create"\nchance = 0.5\nhosts = ["host-00*"]\n'
        '[[fault]]\nkind = "restart"\nevery_seconds = 30\nseconds = 2\nlive_restore = true\n'
        '[[fault]]\nkind = "reset"\nat_seconds = 1\non = ["/logs"]\nuntil_seconds = 9\n'
    )
    assert load_plan(path) == Plan(
        7,
        (
            Fault("slow_create", ("host-00*",), chance=0.5, seconds=5.0),
            Fault("restart", every_seconds=30.0, seconds=2.0, live_restore=True),
            Fault("reset", at_seconds=1.0, on=("/logs",), until_seconds=9.0),
        ),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = 'x'", "seed: a whole number"),
        ("sed = 1", "'sed' is not known"),
        ("fault = 1", r"\[\[fault\]\]"),
        ("[[fault]]\nkind = 'slow'\nchance = 1", "fault 1: kind 'slow' is none of slow_create"),
        ("[[fault]]\nkind = ['x']\nchance = 1", "is none of"),
        ("[[fault]]\nkind = 'stall'", "one of chance, at_seconds, every_seconds"),
        ("[[fault]]\nkind = 'stall'\nchance = 1\nat_seconds = 1", "one of chance"),
        ("[[fault]]\nkind = 'restart'\nchance = 0.1", "by the clock"),
        ("[[fault]]\nkind = 'stall'\nchance = 1.5", "more than 1"),
        ("[[fault]]\nkind = 'stall'\nchance = nan", "a number of 0 or more"),
        ("[[fault]]\nkind = 'stall'\nchance = true", "a number"),
        ("[[fault]]\nkind = 'stall'\nevery_seconds = 0", "more than 0"),
        ("[[fault]]\nkind = 'stall'\nchance = 1\nhosts = 'x'", "a list of texts"),
        ("[[fault]]\nkind = 'failed_create'\nchance = 1\non = ['x']", "on is for reset and stall"),
        ("[[fault]]\nkind = 'stall'\nchance = 1\nlive_restore = true", "for restart only"),
        ("[[fault]]\nkind = 'restart'\nat_seconds = 1\nlive_restore = 1", "true or false"),
        ("[[fault]]\nkind = 'stall'\nchance = 1\nsecond = 3", "'second' is not known"),
        ("[[fault]\n", "line 1"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(BadPlan, match=words) as error:
        load_plan(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadPlan, match="No such file"):
        load_plan(tmp_path / "none.toml")
    assert parse_plan({}) == Plan()


async def test_a_create_is_slow_fails_or_lands_late(autojump_clock: MockClock) -> None:
    slow = engine(Fault("slow_create", chance=1, seconds=4))
    await slow.create_container(spec("rh-a"))
    assert trio.current_time() == 4
    failing = engine(Fault("failed_create", at_seconds=0))
    with pytest.raises(EngineRefused):
        await failing.create_container(spec("rh-a"))
    await failing.create_container(spec("rh-a"))
    late = engine(Fault("late_create", chance=1, seconds=4))
    with pytest.raises(EngineUnavailable):
        await late.create_container(spec("rh-a"))
    assert late.leftovers() == {}
    await trio.sleep(4)
    assert late.leftovers() == {"containers": ["rh-a"]}


async def test_an_engine_restarts_by_the_clock(autojump_clock: MockClock) -> None:
    for live_restore, status in ((False, "exited"), (True, "running")):
        fault = Fault("restart", at_seconds=10, seconds=3, live_restore=live_restore)
        host = engine(fault)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.haunt)
            await host.create_container(spec("rh-a"))
            await host.start_container("rh-a")
            await trio.sleep(11)
            with pytest.raises(EngineUnavailable):
                await host.info()
            await trio.sleep(2)
            state = await host.inspect_container("rh-a")
            nursery.cancel_scope.cancel()
        assert state is not None
        assert state.status == status


async def test_events_are_lost_and_doubled(autojump_clock: MockClock) -> None:
    for kind, copies in (("lost_event", 0), ("doubled_event", 2)):
        host = engine(Fault(kind, at_seconds=0))
        async with host.events(LABEL) as events:
            await host.create_container(spec("rh-a"))
            await host.start_container("rh-a")
            seen = [(await events.receive()).action for _ in range(copies + 1)]
        assert seen == ["create"] * copies + ["start"]


async def test_a_full_disk_is_told_for_a_while(autojump_clock: MockClock) -> None:
    host = engine(Fault("disk_full", at_seconds=0, seconds=30))
    with pytest.raises(EngineRefused, match="no space left"):
        await host.create_container(spec("rh-a"))
    with pytest.raises(ImagePullFailed, match="no space left"):
        await host.pull_image("other:1")
    await trio.sleep(30)
    await host.create_container(spec("rh-a"))


async def test_memory_runs_out_and_a_pull_hangs(autojump_clock: MockClock) -> None:
    host = engine(
        Fault("out_of_memory", chance=1, seconds=2), Fault("hanging_pull", chance=1, seconds=60)
    )
    await host.create_container(spec("rh-a"))
    await host.start_container("rh-a")
    await trio.sleep(2)
    state = await host.inspect_container("rh-a")
    assert state is not None
    assert (state.status, state.exit_code, state.out_of_memory) == ("exited", 137, True)
    with trio.move_on_after(59) as scope:
        await host.pull_image("other:1")
    assert scope.cancelled_caught


async def test_a_seed_decides(autojump_clock: MockClock) -> None:
    async def struck(seed: int, name: str = "host-0001") -> list[bool]:
        host = engine(Fault("failed_create", chance=0.5), seed=seed, name=name)
        results = []
        for number in range(30):
            try:
                await host.create_container(spec(f"rh-{number}"))
                results.append(False)
            except EngineRefused:
                results.append(True)
        return results

    first = await struck(1)
    assert 0 < sum(first) < 30
    assert first == await struck(1)
    assert first != await struck(2)
    assert first != await struck(1, "host-0002")


async def test_a_fault_keeps_to_its_hosts_and_its_time(autojump_clock: MockClock) -> None:
    fault = Fault("failed_create", ("host-0002",), chance=1, from_seconds=10, until_seconds=20)
    await engine(fault).create_container(spec("rh-a"))
    host = engine(fault, name="host-0002")
    await host.create_container(spec("rh-a"))
    await trio.sleep(10)
    with pytest.raises(EngineRefused):
        await host.create_container(spec("rh-b"))
    await trio.sleep(10)
    await host.create_container(spec("rh-b"))
