"""Looking inside a running tree: in slices, on demand, and bounded."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.runtime import ActorContext, ChildSpec, Restart, Supervisor
from runnerhub.runtime.describe import LONGEST, describe
from runnerhub.runtime.stacks import MOST_FRAMES, MOST_TASKS, stacks
from runnerhub.runtime.survey import Pace, find, survey

from .helpers import Crash, Diary, Leave, Ping, Tree, a_tree, an_actor


async def look(tree: Tree, pace: Pace) -> list[tuple[int, str, str, int]]:
    seen = []
    async for place in survey(tree.root, pace):
        shot = place.picture()
        seen.append((place.level, shot.name, str(shot.phase), shot.restarts))
    return seen


async def test_s66_a_survey_shows_each_actor_once(autojump_clock: MockClock) -> None:
    diary = Diary()
    inner = Supervisor("inner", [diary.spec("b"), diary.spec("c")])
    async with a_tree(diary.spec("a"), inner.spec(), diary.spec("d")) as tree:
        await tree.tell("b", Crash())
        await trio.sleep(1)
        assert await look(tree, Pace()) == [
            (0, "top", "running", 0),
            (1, "a", "running", 0),
            (1, "inner", "running", 0),
            (2, "b", "running", 1),
            (2, "c", "running", 0),
            (1, "d", "running", 0),
        ]


async def test_s66_others_run_between_the_slices() -> None:
    diary = Diary()
    async with a_tree() as tree:
        for number in range(50):
            await tree.supervisor.start_child(diary.spec(f"n{number}", Restart.TEMPORARY))
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            assert len(await look(tree, Pace(slice_seconds=0.0))) == 51
            assert turns >= 45  # whose turn is first is chance
            nursery.cancel_scope.cancel()


async def test_s66_a_tree_may_change_under_a_survey(autojump_clock: MockClock) -> None:
    diary = Diary()
    names = [f"n{number}" for number in range(10)]
    async with a_tree() as tree:
        for name in names:
            await tree.supervisor.start_child(diary.spec(name, Restart.TEMPORARY))
        seen = []
        async for place in survey(tree.root, Pace(0.0)):
            seen.append(place.picture().name)
            if len(seen) == 3:
                await tree.tell("n7", Leave())
                await tree.supervisor.start_child(diary.spec("late", Restart.TEMPORARY))
        assert seen == ["top", *names]


async def test_s66_one_actor_is_found_wherever_it_stands(autojump_clock: MockClock) -> None:
    diary = Diary()
    inner = Supervisor("inner", [diary.spec("b")])
    async with a_tree(diary.spec("a"), inner.spec()) as tree:
        found = await find(tree.root, "b", Pace(0.0))
        assert found is not None
        assert (found.level, found.supervisor, found.life.ref) == (2, inner, tree.ref("b"))
        top = await find(tree.root, "top", Pace())
        assert top is not None
        assert (top.level, top.supervisor) == (0, None)
        assert await find(tree.root, "nobody", Pace()) is None


async def test_s67_a_recording_follows_a_name(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree(diary.spec("a"), diary.spec("b")) as tree:
        await tree.ref("a").ask(Ping, 1.0)
        with tree.registry.record("a") as recording:
            await tree.ref("a").ask(Ping, 1.0)
            await tree.ref("b").ask(Ping, 1.0)
            await tree.tell("a", Crash())
            await trio.sleep(1)
            await tree.ref("a").ask(Ping, 1.0)
            await wait_all_tasks_blocked()
            notes = recording.after()
            assert [(note.seq, note.what, note.text) for note in notes] == [
                (1, "took", "Ping(reply_to=<ReplyTo>)"),
                (2, "handled", ""),
                (3, "took", "Crash()"),
                (4, "handled", ""),
                (5, "ended", "crashed: Boom"),
                (6, "began", ""),
                (7, "took", "Ping(reply_to=<ReplyTo>)"),
                (8, "handled", ""),
            ]
            assert all((note.seconds is not None) == (note.what == "handled") for note in notes)
        assert tree.ref("a").tap is None
        assert tree.registry._taps == {}
        await tree.ref("a").ask(Ping, 1.0)
        assert recording.noted == 8


async def test_s67_several_may_record_and_each_ends_alone(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree(diary.spec("a")) as tree:
        with tree.registry.record("a") as one:
            with tree.registry.record("a") as two:
                await tree.ref("a").ask(Ping, 1.0)
            await tree.ref("a").ask(Ping, 1.0)
            await wait_all_tasks_blocked()
            assert (one.noted, two.noted) == (4, 2)


async def test_s67_an_actor_may_be_recorded_before_it_lives(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree() as tree:
        with tree.registry.record("late") as recording:
            await tree.supervisor.start_child(diary.spec("late", Restart.TEMPORARY))
            await tree.tell("late", Leave())
            whats = [note.what for note in recording.after()]
        assert whats == ["began", "took", "handled", "ended"]


async def test_s68_old_notes_make_room(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree(diary.spec("a")) as tree:
        with tree.registry.record("a", room=3) as recording:
            for _ in range(5):
                await tree.ref("a").ask(Ping, 1.0)
            await wait_all_tasks_blocked()
            assert [note.seq for note in recording.after()] == [8, 9, 10]
            assert [note.seq for note in recording.after(9)] == [10]


async def test_s68_a_reader_waits_for_what_is_new(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree(diary.spec("a")) as tree:
        with tree.registry.record("a") as recording:
            with trio.move_on_after(1) as patience:
                await recording.beyond(0)
            assert patience.cancelled_caught
            tree.ref("a").tell(Leave())
            await recording.beyond(0)
            assert recording.after()[0].what == "took"


class Mode(Enum):
    FAST = 1


@dataclass
class Inner:
    secrets: dict[str, str]
    mode: Mode = Mode.FAST


@dataclass
class Outer:
    inner: Inner
    name: str = "web"
    key: str = field(default="hunter2", repr=False)
    data: bytes = b"1234"
    labels: tuple[str, ...] = ("x", "y")
    nothing: str | None = None
    deepest: Any = None


class Loud:
    def __repr__(self) -> str:
        raise AssertionError("somebody ran my code")


def test_s69_a_message_is_described_without_its_help() -> None:
    message = Outer(Inner({"TOKEN": "hunter2"}), deepest=Loud())
    assert describe(message) == (
        "Outer(inner=Inner(secrets=<dict of 1>, mode=Mode.FAST), name='web', "
        "data=<4 bytes>, labels=<tuple of 2>, deepest=<Loud>)"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        (7, "7"),
        pytest.param(1 << 100_000, "<a large number>", id="large"),
        ("a\nb", r"'a\nb'"),
        (Outer, "<type>"),
        ([Loud()], "<list of 1>"),
    ],
)
def test_s69_every_value_becomes_one_line(value: object, words: str) -> None:
    assert describe(value) == words


def test_s69_a_description_has_an_end() -> None:
    assert len(describe("x" * 10_000)) < 100
    wide = [Inner({}) for _ in range(5)]
    many: Any = dataclass(type("Many", (), {"__annotations__": {f"f{n}": str for n in range(40)}}))
    assert len(describe(many(*("y" * 1000 for _ in range(40))))) == LONGEST
    assert describe(wide) == "<list of 5>"


async def test_s70_the_stacks_of_one_actor(autojump_clock: MockClock) -> None:
    async def pump() -> None:
        await trio.sleep_forever()

    async def busy(ctx: ActorContext[Ping]) -> None:
        ctx.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pump)
            async for _ in ctx:
                pass
            nursery.cancel_scope.cancel()

    async with a_tree(ChildSpec("busy", busy)) as tree:
        await wait_all_tasks_blocked()
        place = await find(tree.root, "busy", Pace())
        assert place is not None
        own, opened = stacks(place.life)
        assert (own.name, own.level, opened.level) == ("busy", 0, 1)
        assert own.frames[0].function == "Life.live"
        assert "busy" in own.frames[1].function
        assert opened.frames[0].function.endswith("pump")
        assert opened.frames[0].file == __file__
        await tree.supervisor.stop_child("busy")
        assert stacks(place.life) == ()


async def test_s70_a_supervisors_children_are_left_out(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree(diary.spec("a"), diary.spec("b")) as tree:
        await wait_all_tasks_blocked()
        assert [each.name for each in stacks(tree.root.life)] == ["top"]


async def test_s70_stacks_are_bounded(autojump_clock: MockClock) -> None:
    async def deep(levels: int) -> None:
        if levels:
            await deep(levels - 1)
        await trio.sleep_forever()

    async def wide(ctx: ActorContext[Ping]) -> None:
        ctx.started()
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(deep, 100)
            await ctx.stopping.wait()
            nursery.cancel_scope.cancel()

    async with an_actor(wide) as ref:
        await wait_all_tasks_blocked()
        life = _life_of(ref.name)
        found = stacks(life)
        assert len(found) == MOST_TASKS
        assert max(len(each.frames) for each in found) == MOST_FRAMES


def _life_of(name: str) -> Any:
    task = next(t for t in _all_tasks(trio.lowlevel.current_root_task()) if t.name == name)
    return task.coro.cr_frame.f_locals["self"]


def _all_tasks(task: Any) -> Any:
    yield task
    for nursery in task.child_nurseries:
        for below in nursery.child_tasks:
            yield from _all_tasks(below)


async def test_what_waits_can_be_looked_at(autojump_clock: MockClock) -> None:
    held = trio.Event()

    async def slow(ctx: ActorContext[int]) -> None:
        ctx.started()
        await held.wait()
        async for _ in ctx:
            pass

    async with an_actor(slow) as ref:
        for number in range(5):
            ref.tell(number)
        assert ref.peek(3) == (0, 1, 2)
        assert ref.statistics().depth == 5
        held.set()


async def test_handling_time_is_counted_per_life() -> None:
    diary = Diary()
    async with a_tree(diary.spec("a")) as tree:
        ref = tree.ref("a")
        assert (ref.received, ref.handling_seconds) == (0, 0.0)
        await ref.ask(Ping, 1.0)
        await wait_all_tasks_blocked()
        assert ref.received == 1
        assert ref.handling_seconds > 0.0
