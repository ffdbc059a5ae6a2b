"""When restarting does not help."""

from random import Random

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import MockClock

from runnerhub.runtime import (
    Backoff,
    Reason,
    Restart,
    RestartIntensity,
    RestartIntensityExceeded,
    Strategy,
    Supervisor,
)
from runnerhub.runtime.intensity import RestartWindow

from .helpers import Boom, Crash, Diary, Leave, Ping, a_tree

STRICT = RestartIntensity(2, 10.0, Backoff(first=0.0))


@pytest.fixture
def diary() -> Diary:
    return Diary()


async def test_s38_one_too_many_stops_the_family_and_raises(
    diary: Diary, autojump_clock: MockClock
) -> None:
    specs = [diary.spec(name) for name in "abc"]
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the tree raises at its end
        async with a_tree(*specs, intensity=STRICT) as tree:
            for _ in range(2):
                await tree.tell("b", Crash())
                await trio.sleep(0.1)
            diary.take()
            await tree.tell("b", Crash())
            await trio.sleep(0.1)
    assert diary.take() == "-b -c -a"
    (error,) = caught.value.exceptions
    assert isinstance(error, RestartIntensityExceeded)
    assert isinstance(error.__cause__, Boom)
    assert "b ended after 2 restarts within 10 s" in str(error)


async def test_s38_the_window_slides(diary: Diary, autojump_clock: MockClock) -> None:
    async with a_tree(diary.spec("a"), intensity=STRICT) as tree:
        for _ in range(12):
            await tree.tell("a", Crash())
            await trio.sleep(5.001)
        assert await tree.ref("a").ask(Ping, 1.0) == "a"


async def test_s38_the_parent_sees_a_crash_and_restarts(
    diary: Diary, autojump_clock: MockClock
) -> None:
    inner = Supervisor("inner", [diary.spec("a")], intensity=STRICT)
    async with a_tree(inner.spec()) as tree:
        with tree.registry.monitor("inner") as monitor:
            for _ in range(3):
                await tree.tell("a", Crash())
                await trio.sleep(0.1)
            down = await monitor.receive()
        assert down.reason is Reason.CRASHED
        assert isinstance(down.error, RestartIntensityExceeded)
        assert await tree.ref("a").ask(Ping, 1.0) == "a"


async def test_s37_a_failed_restart_counts_and_is_tried_again(
    diary: Diary, autojump_clock: MockClock
) -> None:
    spec = diary.spec("a", fails=lambda life: life in {2, 3})
    async with a_tree(spec, diary.spec("b")) as tree:
        await tree.tell("a", Crash())
        await trio.sleep(1)
        assert diary.take() == "+a +b -a !a !a +a"
        assert tree.root.snapshot().children[0].restarts == 3


async def test_s37_until_the_intensity_is_exceeded(diary: Diary, autojump_clock: MockClock) -> None:
    specs = [diary.spec("a", fails=lambda life: life > 1), diary.spec("b")]
    with pytest.raises(ExceptionGroup):  # noqa: PT012 - the tree raises at its end
        async with a_tree(*specs, intensity=STRICT, strategy=Strategy.ONE_FOR_ALL) as tree:
            await tree.tell("a", Crash())
            await trio.sleep(1)
    assert diary.take() == "+a +b -a -b !a !a"


async def test_s37_a_sibling_that_fails_in_a_group_restart(
    diary: Diary, autojump_clock: MockClock
) -> None:
    specs = [diary.spec("a"), diary.spec("b", fails=lambda life: life == 2), diary.spec("c")]
    async with a_tree(*specs, strategy=Strategy.REST_FOR_ONE) as tree:
        diary.take()
        await tree.tell("a", Crash())
        await trio.sleep(1)
        assert diary.take() == "-a -c -b +a !b +b +c"


async def test_s39_restarts_wait_longer_each_time(diary: Diary, autojump_clock: MockClock) -> None:
    backoff = Backoff(first=1.0, cap=3.0, jitter=0.0)
    async with a_tree(diary.spec("a"), intensity=RestartIntensity(9, 1e3, backoff)) as tree:
        gaps = []
        for _ in range(4):
            await tree.tell("a", Crash())
            began = trio.current_time()
            assert tree.root.snapshot().children[0].phase == "restarting"
            while diary.entries[-1] != "+a":
                await trio.sleep(0.25)
            gaps.append(round(trio.current_time() - began))
        assert gaps == [1, 2, 3, 3]


async def test_s33_one_childs_delay_is_its_own(diary: Diary, autojump_clock: MockClock) -> None:
    backoff = Backoff(first=5.0, factor=1.0, jitter=0.0)
    specs = [diary.spec("a"), diary.spec("b")]
    async with a_tree(*specs, intensity=RestartIntensity(9, 60.0, backoff)) as tree:
        await tree.tell("a", Crash())
        await trio.sleep(3)
        await tree.tell("b", Crash())
        await trio.sleep(2.5)
        assert diary.take() == "+a +b -a -b +a"
        await trio.sleep(3)
        assert diary.take() == "+b"


async def test_s20_a_stop_calls_off_what_waits_to_be_restarted(
    diary: Diary, autojump_clock: MockClock
) -> None:
    slow = RestartIntensity(9, 600.0, Backoff(first=100.0, cap=100.0, jitter=0.0))
    began = trio.current_time()
    async with a_tree(diary.spec("a"), diary.spec("b"), intensity=slow) as tree:
        await tree.tell("a", Crash())
    assert diary.take() == "+a +b -a -b"
    assert trio.current_time() == pytest.approx(began)


async def test_s32_stop_child_calls_off_a_restart(diary: Diary, autojump_clock: MockClock) -> None:
    slow = RestartIntensity(9, 600.0, Backoff(first=100.0, cap=100.0, jitter=0.0))
    async with a_tree(diary.spec("a"), intensity=slow) as tree:
        await tree.tell("a", Crash())
        await tree.supervisor.stop_child("a")
        await trio.sleep(1000)
        assert diary.take() == "+a -a"


async def test_s37_a_name_that_is_taken_meanwhile_counts_too(
    diary: Diary, autojump_clock: MockClock
) -> None:
    slow = RestartIntensity(9, 600.0, Backoff(first=2.0, factor=1.0, jitter=0.0))
    other = Supervisor("other")
    async with a_tree(diary.spec("a"), other.spec(), intensity=slow) as tree:
        await tree.tell("a", Crash())
        await other.start_child(diary.spec("a", Restart.TEMPORARY))
        await trio.sleep(5)
        await tree.tell("a", Leave())
        diary.take()
        await trio.sleep(2)
        assert diary.take() == "+a"
        assert tree.root.snapshot().children[0].restarts == 3


async def test_s38_temporary_children_exceed_nothing(
    diary: Diary, autojump_clock: MockClock
) -> None:
    async with a_tree(diary.spec("b"), intensity=STRICT) as tree:
        for number in range(20):
            await tree.supervisor.start_child(diary.spec(f"t{number}", Restart.TEMPORARY))
            await tree.tell(f"t{number}", Crash())
        assert await tree.ref("b").ask(Ping, 1.0) == "b"


@example(limit=1, within=10.0, gaps=[0.0, 10.0])
@given(
    limit=st.integers(0, 5),
    within=st.floats(0.1, 100),
    gaps=st.lists(st.floats(0, 50), max_size=50),
)
def test_s38_no_window_holds_more_than_allowed(
    limit: int, within: float, gaps: list[float]
) -> None:
    window = RestartWindow(RestartIntensity(limit, within))
    now = 0.0
    admitted: list[float] = []
    for gap in gaps:
        now += gap
        recent = [at for at in admitted if at > now - within]
        allowed = window.admit(now) is not None
        assert allowed == (len(recent) < limit)
        if allowed:
            admitted.append(now)


@given(attempt=st.integers(1, 5000), seed=st.integers())
def test_s39_a_delay_stays_within_its_bounds(attempt: int, seed: int) -> None:
    backoff = Backoff(first=0.1, factor=2.0, cap=10.0, jitter=0.2)
    delay = backoff.delay(attempt, Random(seed))  # noqa: S311
    undisturbed = min(0.1 * 2.0 ** min(attempt - 1, 60), 10.0)
    assert undisturbed * 0.8 <= delay <= undisturbed
