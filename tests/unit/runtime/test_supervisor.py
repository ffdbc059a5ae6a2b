"""Order, restart types, strategies. The rest is in test_supervisor_limits and _dynamic."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.runtime import ActorDied, Monitor, Reason, Restart, StartFailed, Strategy

from .helpers import Boom, Crash, Diary, Leave, Ping, a_tree

ALL = tuple(Strategy)


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.mark.parametrize("strategy", ALL)
async def test_s27_s29_start_in_order_stop_in_reverse(
    diary: Diary, strategy: Strategy, autojump_clock: MockClock
) -> None:
    specs = [diary.spec(name, lingers=1.0) for name in "abc"]
    async with a_tree(*specs, strategy=strategy):
        assert diary.take() == "+a +b +c"
        began = trio.current_time()
    assert diary.take() == "-c -b -a"
    assert trio.current_time() - began == pytest.approx(3.0)  # one after the other


async def test_s29_each_has_its_own_budget(diary: Diary, autojump_clock: MockClock) -> None:
    specs = [
        diary.spec("a", shutdown=3.0, lingers=100.0),
        diary.spec("b", shutdown=30.0, lingers=20.0),
        diary.spec("c", shutdown=1.0, lingers=100.0),
    ]
    async with a_tree(*specs) as tree:
        with tree.registry.monitor("a", "b", "c") as monitor:
            began = trio.current_time()
            tree.root.stop()
            ends = []
            for _ in specs:
                down = await monitor.receive()
                ends.append((down.name, down.reason, round(trio.current_time() - began)))
    assert ends == [
        ("c", Reason.CANCELLED, 1),
        ("b", Reason.STOPPED, 21),
        ("a", Reason.CANCELLED, 24),
    ]


async def test_s28_a_failed_boot_stops_what_had_started(
    diary: Diary, autojump_clock: MockClock
) -> None:
    specs = [diary.spec("a"), diary.spec("b"), diary.spec("c", fails=lambda _: True)]
    with pytest.raises(ExceptionGroup) as caught:
        async with a_tree(*specs):
            pytest.fail("it must not start")
    assert diary.take() == "+a +b !c -b -a"
    cause = caught.value.exceptions[0]
    assert isinstance(cause, StartFailed)
    while cause.__cause__ is not None:
        cause = cause.__cause__
    assert isinstance(cause, Boom)


@pytest.mark.parametrize(
    ("restart", "message", "again"),
    [
        (Restart.PERMANENT, Crash(), True),
        (Restart.PERMANENT, Leave(), True),
        (Restart.TRANSIENT, Crash(), True),
        (Restart.TRANSIENT, Leave(), False),
        (Restart.TEMPORARY, Crash(), False),
        (Restart.TEMPORARY, Leave(), False),
    ],
)
async def test_s31_who_is_restarted(
    diary: Diary,
    restart: Restart,
    message: object,
    again: bool,  # noqa: FBT001
    autojump_clock: MockClock,
) -> None:
    async with a_tree(diary.spec("a", restart)) as tree:
        await tree.tell("a", message)
        await trio.sleep(1)
        assert diary.take() == ("+a -a +a" if again else "+a -a")


@pytest.mark.parametrize("restart", list(Restart))
async def test_s32_a_stopped_child_stays_stopped(
    diary: Diary, restart: Restart, autojump_clock: MockClock
) -> None:
    async with a_tree(diary.spec("a", restart), diary.spec("b")) as tree:
        await tree.supervisor.stop_child("a")
        await trio.sleep(60)
        assert diary.take() == "+a +b -a"
        assert tree.registry.whereis("a") is None


async def test_s32_not_even_by_its_group(diary: Diary, autojump_clock: MockClock) -> None:
    specs = [diary.spec(name) for name in "abc"]
    async with a_tree(*specs, strategy=Strategy.ONE_FOR_ALL) as tree:
        await tree.supervisor.stop_child("b")
        diary.take()
        await tree.tell("c", Crash())
        await trio.sleep(1)
        assert diary.take() == "-c -a +a +c"


async def test_s33_one_for_one_restarts_one(diary: Diary, autojump_clock: MockClock) -> None:
    async with a_tree(*(diary.spec(name) for name in "abc")) as tree:
        diary.take()
        await tree.tell("b", Crash())
        await trio.sleep(1)
        assert diary.take() == "-b +b"


async def test_s34_rest_for_one_restarts_the_rest(diary: Diary, autojump_clock: MockClock) -> None:
    specs = [diary.spec(name) for name in "abcd"]
    async with a_tree(*specs, strategy=Strategy.REST_FOR_ONE) as tree:
        diary.take()
        await tree.tell("b", Crash())
        await trio.sleep(1)
        assert diary.take() == "-b -d -c +b +c +d"


async def test_s34_two_at_once_are_both_back(diary: Diary, autojump_clock: MockClock) -> None:
    specs = [diary.spec(name) for name in "abcd"]
    async with a_tree(*specs, strategy=Strategy.REST_FOR_ONE) as tree:
        tree.ref("b").tell(Crash())
        tree.ref("d").tell(Crash())
        await trio.sleep(1)
        for name in "abcd":
            assert await tree.ref(name).ask(Ping, 1.0) == name
        assert diary.entries.count("+a") == 1


async def test_s35_one_for_all_restarts_all(diary: Diary, autojump_clock: MockClock) -> None:
    specs = [diary.spec(name) for name in "abc"]
    async with a_tree(*specs, strategy=Strategy.ONE_FOR_ALL) as tree:
        diary.take()
        await tree.tell("b", Crash())
        await trio.sleep(1)
        assert diary.take() == "-b -c -a +a +b +c"


async def test_s35_a_transient_child_that_was_done_runs_again(
    diary: Diary, autojump_clock: MockClock
) -> None:
    specs = [diary.spec("a"), diary.spec("b", Restart.TRANSIENT)]
    async with a_tree(*specs, strategy=Strategy.REST_FOR_ONE) as tree:
        await tree.tell("b", Leave())
        diary.take()
        await tree.tell("a", Crash())
        await trio.sleep(1)
        assert diary.take() == "-a +a +b"


async def test_s36_a_temporary_child_does_not_come_back(
    diary: Diary, autojump_clock: MockClock
) -> None:
    specs = [diary.spec("a"), diary.spec("b", Restart.TEMPORARY), diary.spec("c")]
    async with a_tree(*specs, strategy=Strategy.ONE_FOR_ALL) as tree:
        diary.take()
        await tree.tell("a", Crash())
        await trio.sleep(1)
        assert diary.take() == "-a -c -b +a +c"


async def test_s24_monitors_hear_before_the_restart(
    diary: Diary, autojump_clock: MockClock
) -> None:
    async with a_tree(diary.spec("a")) as tree:
        diary.take()
        ref = tree.ref("a")
        ref.on_down(lambda down: diary.entries.append(f"down {down.reason}"))
        await tree.tell("a", Crash())
        await trio.sleep(1)
        assert diary.take() == "-a down crashed +a"


async def test_s44_a_restarted_actor_has_a_new_mailbox(
    diary: Diary, autojump_clock: MockClock
) -> None:
    async with a_tree(diary.spec("a")) as tree:
        old = tree.ref("a")
        old.tell(Crash())
        old.tell(Crash())  # lost with the old mailbox, or it would crash again
        await trio.sleep(1)
        with pytest.raises(ActorDied):
            old.tell(Leave())
        assert await tree.ref("a").ask(Ping, 1.0) == "a"
        assert diary.take() == "+a -a +a"
        assert old.statistics().dropped == 1


async def test_s43_cancel_is_not_stop(diary: Diary, autojump_clock: MockClock) -> None:
    specs = [diary.spec(name, lingers=10.0) for name in "abc"]
    async with trio.open_nursery() as nursery, a_tree(*specs) as tree:
        monitor = tree.registry.monitor("a", "b", "c")
        nursery.start_soon(trio.sleep_forever)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == began
    reasons = {(await monitor.receive()).reason for _ in specs}
    assert reasons == {Reason.CANCELLED}
    assert sorted(diary.take().split()) == ["+a", "+b", "+c", "-a", "-b", "-c"]


async def test_s43_a_crash_while_cancelled_brings_nobody_back(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with trio.open_nursery() as nursery, a_tree(diary.spec("a")) as tree:
        with Monitor() as monitor:
            monitor.watch(tree.ref("a"))
            tree.ref("a").tell(Crash())
            nursery.cancel_scope.cancel()
    assert diary.entries.count("+a") == 1
