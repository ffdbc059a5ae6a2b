"""A guest and the console: what it asks, what it is told, and what happens when it misbehaves."""

import json

import pytest
import structlog
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from runnerhub.console import session as sessions
from runnerhub.console.session import Session
from runnerhub.model.job import Phase
from runnerhub.runtime import ChildSpec, Restart, Supervisor
from tests.unit.runtime.helpers import Crash, Diary, Ping, Tree, a_tree

from .helpers import JOB, TwoHosts, a_guest, desk_of


async def test_the_greeting_names_the_version(autojump_clock: MockClock) -> None:
    async with a_tree() as tree, a_guest(tree) as guest:
        assert guest.greeting == {"console": 1, "node": "n1"}


async def test_tree_shows_depths_and_restarts(autojump_clock: MockClock) -> None:
    diary = Diary()
    inner = Supervisor("inner", [diary.spec("b"), diary.spec("c")])
    async with a_tree(diary.spec("a"), inner.spec()) as tree:
        await tree.ref("a").ask(Ping, 1.0)
        await tree.tell("b", Crash())
        await trio.sleep(1)
        async with a_guest(tree) as guest:
            (part,), result = await guest.call("tree")
            rows = [(r["level"], r["name"], r["handled"], r["restarts"]) for r in part["rows"]]
            assert rows == [
                (0, "top", 0, 0),
                (1, "a", 1, 0),
                (1, "inner", 0, 0),
                (2, "b", 0, 1),
                (2, "c", 0, 0),
            ]
            assert result == {"actors": 5, "rows_sent": 5, "truncated": False}
            (part,), result = await guest.call("tree", actor="inner")
            assert [row["name"] for row in part["rows"]] == ["inner", "b", "c"]


async def test_a_large_tree_comes_in_parts(autojump_clock: MockClock) -> None:
    async with a_tree() as tree:
        await start_many(tree, 300)
        async with a_guest(tree) as guest:
            parts, result = await guest.call("tree", all=True)
            assert [len(part["rows"]) for part in parts] == [128, 128, 45]
            assert result["actors"] == 301
            (part,), result = await guest.call("tree")
            assert len(part["rows"]) == 1 + 24 + 1
            assert part["rows"][-1] == {
                "level": 1,
                "more": 276,
                "phases": {"running": 276},
                "waiting": 0,
                "restarts": 0,
            }


async def start_many(tree: Tree, count: int) -> None:
    diary = Diary()
    for number in range(count):
        await tree.supervisor.start_child(diary.spec(f"n{number}", Restart.TEMPORARY))


async def test_a_tree_without_end_is_cut(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runnerhub.console.watching.MOST_ROWS", 130)
    async with a_tree() as tree:
        await start_many(tree, 300)
        async with a_guest(tree) as guest:
            parts, result = await guest.call("tree", all=True)
            assert sum(len(part["rows"]) for part in parts) == 130
            assert result["truncated"]


async def test_actor_shows_state_messages_and_stack(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree(diary.spec("a")) as tree, a_guest(tree) as guest:
        _, found = await guest.call("actor", actor="a", seconds=0)
        assert (found["phase"], found["supervisor"], found["recent"]) == ("running", "top", [])
        assert found["stack"][0]["frames"][0]["function"] == "Life.live"
        await tree.ref("a").ask(Ping, 1.0)
        await wait_all_tasks_blocked()
        _, found = await guest.call("actor", actor="a")
        assert [note["what"] for note in found["recent"]] == ["took", "handled"]
        assert found["mailbox"]["received"] == 1
        assert tree.ref("a").tap is not None
    assert tree.registry._taps == {}


async def test_actor_shows_what_waits(autojump_clock: MockClock) -> None:
    async def deaf(ctx: object) -> None:
        ctx.started()  # type: ignore[attr-defined]
        await ctx.stopping.wait()  # type: ignore[attr-defined]

    async with a_tree(ChildSpec("deaf", deaf)) as tree, a_guest(tree) as guest:
        for _ in range(20):
            tree.ref("deaf").tell(Crash())
        _, found = await guest.call("actor", actor="deaf")
        assert found["waiting"] == ["Crash()"] * 10
        assert found["mailbox"]["depth"] == 20


async def test_one_guest_records_sixteen_actors_at_most(autojump_clock: MockClock) -> None:
    async with a_tree() as tree:
        await start_many(tree, 20)
        async with a_guest(tree) as guest:
            for number in range(20):
                await guest.call("actor", actor=f"n{number}", seconds=0)
            assert set(tree.registry._taps) == {f"n{number}" for number in range(4, 20)}


async def test_top_shows_who_handles_most(autojump_clock: MockClock) -> None:
    diary = Diary()
    specs = [diary.spec(name) for name in "abc"]
    async with a_tree(*specs) as tree, a_guest(tree) as guest:
        await guest.begin("top", count=2, limit=1)
        await wait_all_tasks_blocked()
        for name in ("a", "b", "b"):
            await tree.ref(name).ask(Ping, 1.0)
        first, second, last = [await guest.line() for _ in range(3)]
        assert (first["part"]["actors"], first["part"]["messages"]) == (4, 3)
        row = first["part"]["rows"][0]
        assert (row["name"], row["messages"]) == ("b", 2)
        assert len(first["part"]["rows"]) == 1
        assert second["part"]["rows"] == []
        assert last["result"] == {"looks": 2}


async def test_a_live_command_can_be_stopped(autojump_clock: MockClock) -> None:
    async with a_tree() as tree, a_guest(tree) as guest:
        number = await guest.begin("top", interval=60)
        stop = await guest.begin("stop", id=number)
        answers = {line["id"]: line["result"] for line in [await guest.line(), await guest.line()]}
        assert answers == {stop: {}, number: {"stopped": True}}


async def test_names_for_completion(autojump_clock: MockClock) -> None:
    diary = Diary()
    specs = [diary.spec("job:job_1"), diary.spec("job:job_2"), diary.spec("jam")]
    async with a_tree(*specs) as tree, a_guest(tree) as guest:
        assert (await guest.call("names", prefix="j"))[1]["names"] == [
            "jam",
            "job:job_1",
            "job:job_2",
        ]
        assert (await guest.call("names", of="job"))[1]["names"] == ["job_1", "job_2"]
        assert (await guest.call("names", prefix="h2", of="host"))[1]["names"] == ["h2"]


async def test_restart_starts_a_new_life(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree(diary.spec("a")) as tree, a_guest(tree) as guest:
        before = tree.ref("a")
        parts, result = await guest.call("restart", actor="a")
        assert (parts, result) == ([{"restarting": ["a"]}], {"restarted": ["a"]})
        assert tree.ref("a") is not before


async def test_what_cannot_be_restarted(autojump_clock: MockClock) -> None:
    diary = Diary()
    temporary = diary.spec("t", Restart.TEMPORARY)
    stubborn = diary.spec("s", fails=lambda life: life > 1)
    async with a_tree(temporary, stubborn) as tree, a_guest(tree) as guest:
        assert "is the whole tree" in await guest.refused("restart", actor="top")
        assert "is temporary" in await guest.refused("restart", actor="t")
        assert "there is no actor x" in await guest.refused("restart", actor="x")
        assert "did not come back" in await guest.refused("restart", actor="s")
        assert tree.ref("t").alive


async def test_drain_and_undrain(autojump_clock: MockClock) -> None:
    async with a_tree() as tree, a_guest(tree) as guest:
        _, result = await guest.call("drain", host="h1")
        assert result["host"]["state"] == "draining"
        _, result = await guest.call("undrain", host="h1")
        assert result["host"]["state"] == "ready"
        assert await guest.refused("drain", host="h9") == "there is no host h9"


async def test_trace_shows_messages_and_events(autojump_clock: MockClock) -> None:
    diary = Diary()
    spec = diary.spec(f"job:{JOB}", Restart.TEMPORARY)
    async with a_tree(spec) as tree, a_guest(tree) as guest:
        guest.hub.ledger.note("accepted", Phase.QUEUED)
        guest.hub.ledger.note("started", Phase.RUNNING)
        await guest.begin("trace", job=JOB, seconds=30)
        first = await guest.line()
        assert first["part"] == {"job": JOB, "phase": "running", "explanation": "it is running"}
        await wait_all_tasks_blocked()
        await tree.tell(f"job:{JOB}", Crash())
        guest.hub.ledger.note("finished", Phase.FINISHED, exit_code=3)
        seen = []
        while "part" in (message := await guest.line()):
            seen += [note["what"] for note in message["part"].get("notes", ())]
            seen += [event["kind"] for event in message["part"].get("events", ())]
        assert seen == ["took", "handled", "ended", "finished"]
        assert message["result"] == {
            "job": JOB,
            "message_count": 1,
            "event_count": 1,
            "missed": 0,
            "seconds": 1.0,
            "ended": "the job is finished",
        }
        assert tree.registry._taps == {}


async def test_trace_ends_when_its_time_is_up(autojump_clock: MockClock) -> None:
    async with a_tree() as tree, a_guest(tree) as guest:
        _, result = await guest.call("trace", job=JOB, seconds=5)
        assert (result["seconds"], result["ended"]) == (5.0, "time is up")
        assert tree.registry._taps == {}


async def test_trace_without_a_job_or_a_ledger(autojump_clock: MockClock) -> None:
    async with a_tree() as tree, a_guest(tree) as guest:
        assert await guest.refused("trace", job="job_9") == "there is no job job_9"
        guest.hub.ledger.away = True
        assert "the ledger cannot be read just now" in await guest.refused("trace", job=JOB)


async def test_trace_outlives_an_outage_of_the_ledger(autojump_clock: MockClock) -> None:
    async with a_tree() as tree, a_guest(tree) as guest:
        await guest.begin("trace", job=JOB, seconds=5)
        await guest.line()
        guest.hub.ledger.away = True
        assert (await guest.line())["part"] == {"trouble": "connection refused"}
        guest.hub.ledger.away = False
        while "part" in (message := await guest.line()):
            pass
        assert message["ok"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"tree", "a line must be one JSON object"),
        (b"[1]", "a line must be one JSON object"),
        (b"\xff\xfe", "a line must be one JSON object"),
        (b"[" * 5000, "a line must be one JSON object"),
        (b'{"v": 2, "id": 1, "command": "tree"}', "this node speaks version 1"),
        (b'{"v": 1, "id": "x", "command": "tree"}', "a request has an id"),
        (b'{"v": 1, "id": 1, "command": "tree", "args": 3}', "a request has an id"),
        (b'{"v": 1, "id": 1, "command": "nope"}', "there is no command"),
        (b'{"v": 1, "id": 1, "command": "top", "args": {"by": "x"}}', "--by must be one of"),
        (b'{"v": 1, "id": 1, "command": "actor", "args": {"actor": "x"}}', "there is no actor x"),
    ],
)
async def test_nonsense_is_answered_in_one_line(
    autojump_clock: MockClock, line: bytes, why: str
) -> None:
    async with a_tree() as tree, a_guest(tree) as guest:
        await guest.say(line)
        answer = await guest.line()
        assert answer["ok"] is False
        assert why in answer["error"]
        await guest.call("tree")


async def test_a_request_without_an_end_ends_the_session(autojump_clock: MockClock) -> None:
    async with a_tree() as tree, a_guest(tree) as guest:
        await guest.stream.send_all(b"x" * 20_000)
        with pytest.raises(AssertionError, match="let the guest go"):
            await guest.line()


async def test_a_guest_has_four_commands_at_once(autojump_clock: MockClock) -> None:
    async with a_tree() as tree, a_guest(tree) as guest:
        for _ in range(4):
            await guest.begin("top", interval=60)
        assert "at most 4 commands at once" in await guest.refused("tree")


async def test_a_failure_inside_is_the_commands_alone(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_tree() as tree, a_guest(tree) as guest:
        monkeypatch.setattr(guest.hub, "hosts", lambda: 1 / 0)
        with structlog.testing.capture_logs() as logs:
            why = await guest.refused("names", of="host")
        assert why == "it failed inside (ZeroDivisionError); see the node's log"
        assert logs[0]["action"] == "console_failed"
        await guest.call("tree")


async def test_an_answer_is_bounded(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "LONGEST_LINE", 100)
    async with a_tree() as tree, a_guest(tree) as guest:
        assert await guest.refused("tree") == "the answer is too long"


async def test_a_guest_that_does_not_read_is_let_go(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree(diary.spec("a")) as tree:
        here, there = memory_stream_pair()

        async def stalled() -> None:
            await trio.sleep_forever()

        there.send_stream.send_all_hook = stalled
        with structlog.testing.capture_logs() as logs:
            with trio.fail_after(60):
                await Session(desk_of(tree, TwoHosts()), there).run()
            assert trio.current_time() >= sessions.WRITE_SECONDS
        assert [entry["action"] for entry in logs] == ["console_stalled"]
        await tree.ref("a").ask(Ping, 1.0)
        await here.aclose()


async def test_a_guest_may_leave_at_any_moment(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree(diary.spec("a")) as tree:
        for _ in range(3):
            async with a_guest(tree) as guest:
                await guest.begin("top")
                await guest.begin("trace", job=JOB)
                await guest.begin("actor", actor="a", seconds=60)
                await wait_all_tasks_blocked()
                assert tree.registry._taps
        assert tree.registry._taps == {}


async def test_several_guests_at_once(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with a_tree(diary.spec("a")) as tree, a_guest(tree) as one, a_guest(tree) as two:
        await one.begin("top", interval=60)
        assert (await two.call("tree"))[1]["actors"] == 2
        _, found = await two.call("actor", actor="a", seconds=0)
        assert json.dumps(found)
