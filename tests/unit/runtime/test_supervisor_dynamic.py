"""Children that come and go, and trees in trees."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.runtime import (
    ActorContext,
    ActorDied,
    ChildSpec,
    NameTaken,
    Reason,
    Restart,
    StartFailed,
    Strategy,
    Supervisor,
    UnknownChild,
)

from .helpers import Boom, Crash, Diary, Leave, Ping, a_tree


@pytest.fixture
def diary() -> Diary:
    return Diary()


async def test_s30_dynamic_children_stop_together_and_first(
    diary: Diary, autojump_clock: MockClock
) -> None:
    async with a_tree(diary.spec("a"), diary.spec("b")) as tree:
        for number in range(50):
            await tree.supervisor.start_child(diary.spec(f"d{number}", lingers=3.0))
        diary.take()
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(3.0)
    entries = diary.take().split()
    assert entries[-2:] == ["-b", "-a"]
    assert len(entries) == 52


async def test_s30_where_order_matters_it_is_kept(diary: Diary, autojump_clock: MockClock) -> None:
    async with a_tree(diary.spec("a"), strategy=Strategy.REST_FOR_ONE) as tree:
        for name in ("d1", "d2"):
            await tree.supervisor.start_child(diary.spec(name, lingers=1.0))
        diary.take()
    assert diary.take() == "-d2 -d1 -a"


async def test_s34_a_dynamic_child_comes_back_with_its_group(
    diary: Diary, autojump_clock: MockClock
) -> None:
    async with a_tree(diary.spec("a"), strategy=Strategy.REST_FOR_ONE) as tree:
        await tree.supervisor.start_child(diary.spec("d"))
        diary.take()
        await tree.tell("a", Crash())
        await trio.sleep(1)
        assert diary.take() == "-a -d +a +d"


@pytest.mark.parametrize(
    ("restart", "message"),
    [
        (Restart.TEMPORARY, Crash()),
        (Restart.TEMPORARY, Leave()),
        (Restart.TRANSIENT, Leave()),
    ],
)
async def test_s40_what_is_done_for_is_forgotten(
    diary: Diary, restart: Restart, message: object, autojump_clock: MockClock
) -> None:
    async with a_tree() as tree:
        for _ in range(3):
            await tree.supervisor.start_child(diary.spec("d", restart))
            await tree.tell("d", message)
            assert tree.root.snapshot().children == ()
            assert len(tree.registry) == 1
        assert diary.take() == "+d -d +d -d +d -d"


async def test_s40_so_is_what_was_stopped(diary: Diary, autojump_clock: MockClock) -> None:
    async with a_tree() as tree:
        await tree.supervisor.start_child(diary.spec("d"))
        await tree.supervisor.stop_child("d")
        with pytest.raises(UnknownChild):
            await tree.supervisor.stop_child("d")
        await tree.supervisor.start_child(diary.spec("d"))


async def test_s40_and_what_did_not_start(diary: Diary, autojump_clock: MockClock) -> None:
    async with a_tree() as tree:
        with pytest.raises(StartFailed):
            await tree.supervisor.start_child(diary.spec("d", fails=lambda _: True))
        with trio.move_on_after(1) as scope:
            await tree.supervisor.start_child(_never_starts())
        assert scope.cancelled_caught
        assert tree.root.snapshot().children == ()
        assert len(tree.registry) == 1
        await tree.supervisor.start_child(diary.spec("d"))


def _never_starts() -> ChildSpec[object]:
    async def actor(_: ActorContext[object]) -> None:
        await trio.sleep_forever()

    return ChildSpec("never", actor)


async def test_s33_a_crash_right_after_the_start_is_repaired(autojump_clock: MockClock) -> None:
    lives = 0

    async def hasty(ctx: ActorContext[object]) -> None:
        nonlocal lives
        lives += 1
        ctx.started()
        if lives == 1:
            raise Boom
        await ctx.receive()

    async with a_tree() as tree:
        await tree.supervisor.start_child(ChildSpec("hasty", hasty))
        await trio.sleep(1)
        assert lives == 2
        assert tree.registry.whereis("hasty") is not None


async def test_s26_a_name_has_one_bearer(diary: Diary, autojump_clock: MockClock) -> None:
    other = Supervisor("other")
    async with a_tree(diary.spec("a"), other.spec()) as tree:
        for supervisor in (tree.supervisor, other):
            with pytest.raises(NameTaken):
                await supervisor.start_child(diary.spec("a"))
        assert await tree.ref("a").ask(Ping, 1.0) == "a"
        assert diary.take() == "+a"
        assert len(tree.root.snapshot().children) == 2


async def test_s41_restart_child_waits_for_the_new_life(
    diary: Diary, autojump_clock: MockClock
) -> None:
    async with a_tree(*(diary.spec(name) for name in "abc")) as tree:
        diary.take()
        old = tree.ref("b")
        new = await tree.supervisor.restart_child("b")
        assert new is not old
        assert new is tree.ref("b")
        assert diary.take() == "-b +b"


async def test_s41_restart_child_takes_its_group_along(
    diary: Diary, autojump_clock: MockClock
) -> None:
    specs = [diary.spec(name) for name in "abc"]
    async with a_tree(*specs, strategy=Strategy.REST_FOR_ONE) as tree:
        await tree.supervisor.stop_child("b")
        diary.take()
        await tree.supervisor.restart_child("b")
        assert diary.take() == "-c +b +c"


async def test_s41_restart_child_that_fails_is_tried_again(
    diary: Diary, autojump_clock: MockClock
) -> None:
    async with a_tree(diary.spec("a", fails=lambda life: life == 2)) as tree:
        with pytest.raises(ActorDied, match="did not start again"):
            await tree.supervisor.restart_child("a")
        await trio.sleep(1)
        assert await tree.ref("a").ask(Ping, 1.0) == "a"


async def test_s41_a_supervisor_that_is_not_running_refuses(
    diary: Diary, autojump_clock: MockClock
) -> None:
    idle = Supervisor("idle")
    with pytest.raises(ActorDied):
        await idle.start_child(diary.spec("d"))
    async with a_tree(diary.spec("a", lingers=2.0)) as tree:
        tree.root.stop()
        await wait_all_tasks_blocked()
        for attempt in (
            tree.supervisor.start_child(diary.spec("d")),
            tree.supervisor.stop_child("a"),
            tree.supervisor.restart_child("a"),
        ):
            with pytest.raises(ActorDied):
                await attempt
    assert diary.take() == "+a -a"


async def test_s41_a_stop_releases_whoever_waits_for_a_child(
    diary: Diary, autojump_clock: MockClock
) -> None:
    outcomes: list[str] = []

    async def start() -> None:
        with pytest.raises(StartFailed):
            await tree.supervisor.start_child(_never_starts())
        outcomes.append("start")

    async def restart() -> None:
        with pytest.raises(ActorDied):
            await tree.supervisor.restart_child("a")
        outcomes.append("restart")

    async with trio.open_nursery() as nursery, a_tree(diary.spec("a", lingers=3.0)) as tree:
        nursery.start_soon(start)
        nursery.start_soon(restart)
        await wait_all_tasks_blocked()
    assert sorted(outcomes) == ["restart", "start"]
    assert diary.take() == "+a -a"


async def test_s42_trees_nest(diary: Diary, autojump_clock: MockClock) -> None:
    inner = Supervisor("inner", [diary.spec("b"), diary.spec("c")])
    async with a_tree(diary.spec("a"), inner.spec(), diary.spec("z")) as tree:
        assert diary.take() == "+a +b +c +z"
        await tree.tell("b", Crash())
        await trio.sleep(1)
        assert diary.take() == "-b +b"
    assert diary.take() == "-z -c -b -a"


async def test_s42_a_restarted_supervisor_begins_anew(
    diary: Diary, autojump_clock: MockClock
) -> None:
    inner = Supervisor("inner", [diary.spec("b")])
    specs = [diary.spec("a"), inner.spec()]
    async with a_tree(*specs, strategy=Strategy.REST_FOR_ONE) as tree:
        await inner.start_child(diary.spec("d"))
        diary.take()
        await tree.tell("a", Crash())
        await trio.sleep(1)
        assert diary.take() == "-a -d -b +a +b"
        await inner.start_child(diary.spec("d"))
        assert diary.take() == "+d"


async def test_s42_a_supervisors_budget_cuts_its_childrens(
    diary: Diary, autojump_clock: MockClock
) -> None:
    inner = Supervisor("inner", [diary.spec("b", shutdown=100.0, lingers=50.0)])
    async with a_tree(inner.spec(shutdown=2.0)) as tree:
        with tree.registry.monitor("b", "inner") as monitor:
            began = trio.current_time()
            tree.root.stop()
            downs = [await monitor.receive(), await monitor.receive()]
    assert [(down.name, down.reason) for down in downs] == [
        ("b", Reason.CANCELLED),
        ("inner", Reason.CANCELLED),
    ]
    assert trio.current_time() - began == pytest.approx(2.0)
