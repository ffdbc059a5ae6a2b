"""The lean client: what it sends once and what twice, and what it never takes for an answer."""

from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from runnerhub.adapters.docker.http import Http
from runnerhub.adapters.docker.pool import AT_ONCE
from runnerhub.adapters.docker.refusal import Refused
from runnerhub.ports.errors import EngineUnavailable
from runnerhub.runtime.timekeeper import TimeUp
from tests.unit.adapters.scripted import CHUNKED, answered, chunk, scripted


async def echo(target: str, stream: trio.SocketStream) -> None:
    await stream.send_all(answered({"of": target}))


async def test_one_connection_carries_one_request_after_another(tmp_path: Path) -> None:
    async with scripted(tmp_path, echo) as (engine, http):
        for path in ("a", "b", "c"):
            assert await http.json("GET", path, 5.0) == {"of": f"GET /{path}"}
        made = await http.json("POST", "d", 5.0, params={"name": "x y"}, body={"a": "ü"})
        assert made == {"of": "POST /d?name=x+y"}
        assert engine.connections == 1


async def test_an_idle_connection_that_was_closed_is_not_used(tmp_path: Path) -> None:
    async def and_close(target: str, stream: trio.SocketStream) -> None:
        await echo(target, stream)
        await stream.aclose()

    async with scripted(tmp_path, and_close) as (engine, http):
        for _ in range(3):
            await http.json("POST", "containers/create", 5.0, body={})
            await trio.testing.wait_all_tasks_blocked()
        assert engine.requests == ["POST /containers/create"] * 3
        assert engine.connections == 3


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("POST", 1), ("DELETE", 1)])
async def test_only_what_reads_is_sent_again(tmp_path: Path, method: str, times: int) -> None:
    async def once_silent(target: str, stream: trio.SocketStream) -> None:
        if target.endswith("/lost") and engine.requests.count(target) == 1:
            await stream.aclose()
        else:
            await echo(target, stream)

    async with scripted(tmp_path, once_silent) as (engine, http):
        await http.json("GET", "first", 5.0)
        if times == 2:
            assert await http.json(method, "lost", 5.0) == {"of": f"{method} /lost"}
        else:
            with pytest.raises(EngineUnavailable, match="closed the connection"):
                await http.json(method, "lost", 5.0)
        assert engine.requests.count(f"{method} /lost") == times


async def test_a_new_connection_without_an_answer_is_an_engine_that_is_away(tmp_path: Path) -> None:
    async def silent(_: str, stream: trio.SocketStream) -> None:
        await stream.aclose()

    async with scripted(tmp_path, silent) as (engine, http):
        with pytest.raises(EngineUnavailable):
            await http.json("GET", "a", 5.0)
        assert len(engine.requests) <= 2  # the connection had asked for the version before


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
        CHUNKED + b"5\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    ],
)
async def test_what_is_no_whole_answer_is_none(tmp_path: Path, said: bytes) -> None:
    async def broken(_: str, stream: trio.SocketStream) -> None:
        await stream.send_all(said)
        await stream.aclose()

    async with scripted(tmp_path, broken) as (_, http):
        with pytest.raises(EngineUnavailable):
            await http.json("POST", "a", 5.0)


@pytest.mark.parametrize(
    "more", [answered("else"), answered("else")[:20], b"\0", b"HTTP/1.1 200 O"]
)
async def test_more_than_was_asked_for_is_not_the_next_answer(tmp_path: Path, more: bytes) -> None:
    async def and_more(target: str, stream: trio.SocketStream) -> None:
        await stream.send_all(answered({"of": target}) + more)

    async with scripted(tmp_path, and_more) as (_, http):
        for path in ("a", "b"):
            assert await http.json("GET", path, 5.0) == {"of": f"GET /{path}"}


async def test_errors_bring_the_engines_words(tmp_path: Path) -> None:
    async def says(target: str, stream: trio.SocketStream) -> None:
        said = {
            "GET /refused": answered({"message": "no such thing"}, 404),
            "GET /away": answered({"message": "Daemon is shutting down"}, 500),
            "GET /proxy": b"HTTP/1.0 502 Bad Gateway\r\n\r\nno backend",
            "GET /plain": b"HTTP/1.0 400 Bad Request\r\n\r\nan HTTPS server",
        }
        await stream.send_all(said[target])
        await stream.aclose()

    async with scripted(tmp_path, says) as (_, http):
        with pytest.raises(Refused, match="no such thing") as refused:
            await http.json("GET", "refused", 5.0)
        assert refused.value.status == 404
        with pytest.raises(Refused, match="an HTTPS server"):
            await http.json("GET", "plain", 5.0)
        for path, words in (("away", "shutting down"), ("proxy", "no backend")):
            with pytest.raises(EngineUnavailable, match=words):
                await http.json("GET", path, 5.0)


async def test_a_cancelled_request_leaves_no_half_read_connection(tmp_path: Path) -> None:
    async def slow(target: str, stream: trio.SocketStream) -> None:
        if target == "GET /slow":
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{")
            await trio.sleep_forever()
        await echo(target, stream)

    async with scripted(tmp_path, slow) as (engine, http):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(http.json, "GET", "slow", 60.0)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert await http.json("GET", "next", 5.0) == {"of": "GET /next"}
        assert engine.connections == 2


async def test_an_answer_in_time_is_one_however_late_it_is_read(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def says(target: str, stream: trio.SocketStream) -> None:
        if target == "GET /never":
            await trio.sleep_forever()
        if target == "GET /late":
            autojump_clock.jump(100)  # as if something held the loop while it was on its way
        await echo(target, stream)

    async with scripted(tmp_path, says) as (_, http):
        began = trio.current_time()
        with pytest.raises(EngineUnavailable, match="no answer in time"):
            await http.json("GET", "never", 5.0)
        assert trio.current_time() - began == pytest.approx(5.0)
        for _ in range(20):
            assert await http.json("GET", "late", 5.0) == {"of": "GET /late"}


async def test_a_stream_whose_head_came_in_time_goes_on(tmp_path: Path) -> None:
    async def says(_: str, stream: trio.SocketStream) -> None:
        await stream.send_all(CHUNKED)
        said.set()
        await go_on.wait()
        await stream.send_all(chunk(b"a"))
        await trio.sleep_forever()

    said, go_on = trio.Event(), trio.Event()
    async with scripted(tmp_path, says) as (_, http):
        answer = await http.stream("logs", 5.0, {})
        await said.wait()
        answer._connection.fail(TimeUp())  # the head has come, and nobody has read it yet
        await answer.head()
        assert not answer._connection._link.closes_when_silent
        go_on.set()
        assert await answer.read() == b"a"
        answer.close()


async def test_so_many_are_under_way_and_time_counts_from_then(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def slow(target: str, stream: trio.SocketStream) -> None:
        await trio.sleep(4)
        await echo(target, stream)

    async with scripted(tmp_path, slow) as (engine, http):
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(3 * AT_ONCE):
                nursery.start_soon(http.json, "GET", "a", 5.0)
            await trio.sleep(1)
            assert len(engine.requests) == AT_ONCE
            # What takes long in any case waits for nobody.
            nursery.start_soon(lambda: http.json("POST", "stop", 5.0, in_turn=False))
            await trio.sleep(1)
            assert len(engine.requests) == AT_ONCE + 1
        assert trio.current_time() - began == pytest.approx(12.0)
        await trio.testing.wait_all_tasks_blocked()
        assert engine.open <= 16


async def test_who_waits_for_an_engine_that_hangs_is_told(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def hangs(_: str, __: trio.SocketStream) -> None:
        await trio.sleep_forever()

    failed: list[float] = []

    async def ask() -> None:
        with pytest.raises(EngineUnavailable, match="no answer in time"):
            await http.json("GET", "a", 5.0)
        failed.append(trio.current_time() - began)

    async with scripted(tmp_path, hangs) as (engine, http):
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(5 * AT_ONCE):
                nursery.start_soon(ask)
        assert len(failed) == 5 * AT_ONCE
        assert max(failed) == pytest.approx(5.0)
        engine.says = echo
        assert await http.json("GET", "a", 5.0) == {"of": "GET /a"}
        async with trio.open_nursery() as nursery:
            for _ in range(2 * AT_ONCE):
                nursery.start_soon(http.json, "GET", "a", 5.0)


async def test_a_stream_that_nobody_reads_holds_the_engine_up(tmp_path: Path) -> None:
    piece = b"x" * 50_000
    sent = 0

    async def flood(_target: str, stream: trio.SocketStream) -> None:
        nonlocal sent
        await stream.send_all(CHUNKED)
        for _ in range(100):
            await stream.send_all(chunk(piece))
            sent += len(piece)
        await stream.send_all(chunk(b""))

    async with scripted(tmp_path, flood) as (engine, http):
        for _ in range(2):
            sent = 0
            answer = await http.stream("logs", 5.0, {})
            await trio.testing.wait_all_tasks_blocked()
            assert sent < 2_000_000
            size = 0
            while data := await answer.read():
                size += len(data)
            assert size == 100 * len(piece)
            answer.close()
        assert engine.connections == 1


async def test_a_stream_that_is_left_is_closed(tmp_path: Path) -> None:
    async def endless(_: str, stream: trio.SocketStream) -> None:
        await stream.send_all(CHUNKED + chunk(b"a"))
        await trio.sleep_forever()

    async with scripted(tmp_path, endless) as (engine, http):
        answer = await http.stream("logs", 5.0, {})
        assert await answer.read() == b"a"
        with trio.move_on_after(0.01):
            await answer.read()
        assert engine.open == 1
        answer.close()
        engine.says = echo
        assert await http.json("GET", "a", 5.0) == {"of": "GET /a"}
        assert engine.connections == 2


async def test_a_head_that_nobody_waits_for_has_its_time(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def hangs(_: str, stream: trio.SocketStream) -> None:
        await stream.receive_some()

    async with scripted(tmp_path, hangs) as (engine, http):
        answer = await http.stream("logs", 5.0, {})
        with trio.move_on_after(1):
            await answer.read()
        assert engine.requests == ["GET /logs"]
        await trio.sleep(9)
        assert engine.open == 0
        with pytest.raises(EngineUnavailable, match="no answer in time"):
            await answer.read()
        answer.close()


async def test_a_wait_for_a_head_is_taken_up_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def slow(_target: str, stream: trio.SocketStream) -> None:
        await trio.sleep(4)
        await stream.send_all(CHUNKED + chunk(b"a") + chunk(b""))

    async with scripted(tmp_path, slow) as (engine, http):
        answer, said = await http.stream("logs", 5.0, {}), b""
        while not said:
            with trio.move_on_after(0.1):
                said = await answer.read()
        assert await answer.read() == b""
        answer.close()
        assert (said, engine.requests, engine.connections) == (b"a", ["GET /logs"], 1)


async def test_closing_ends_what_is_under_way(tmp_path: Path) -> None:
    async def hangs(_: str, __: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with scripted(tmp_path, hangs) as (_, http), trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(EngineUnavailable):
                await http.json("GET", "a", 60.0)

        for _ in range(AT_ONCE - 1):
            nursery.start_soon(ask)
        answer = await http.stream("logs", 60.0, {})
        for _ in range(5):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        http.close()
        http.close()
        with pytest.raises(EngineUnavailable):
            await answer.read()
        answer.close()
    with pytest.raises(EngineUnavailable, match="is not open"):
        await http.json("GET", "a", 5.0)


async def test_an_engine_that_does_not_listen_is_away(tmp_path: Path) -> None:
    async with scripted(tmp_path, echo) as (_, http):
        await http.json("GET", "a", 5.0)
        http.close()
        (tmp_path / "engine.sock").unlink()
        http.open()
        with pytest.raises(EngineUnavailable, match="does not answer"):
            await http.json("GET", "a", 5.0)


async def test_what_was_left_unread_of_a_whole_answer_is_in_no_other(tmp_path: Path) -> None:
    async def says(target: str, stream: trio.SocketStream) -> None:
        if target == "GET /events":
            await stream.send_all(CHUNKED + chunk(b"last words") + chunk(b""))
        else:
            await echo(target, stream)

    async with scripted(tmp_path, says) as (_, http):
        answer = await http.stream("events", 5.0, {})
        await answer.head()
        answer.close()
        assert await http.json("GET", "next", 5.0) == {"of": "GET /next"}


async def test_an_engine_that_answers_and_stops_reading_is_not_sent_to_for_ever(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    released = trio.Event()

    async def reads_nothing(listener: trio.SocketListener) -> None:
        stream = await listener.accept()
        await stream.send_all(answered({"message": "too large"}, 413)[:-1])
        await released.wait()
        await stream.aclose()

    raw = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await raw.bind(str(tmp_path / "stuck.sock"))
    raw.listen(1)
    http = Http(f"unix://{tmp_path / 'stuck.sock'}", None)
    http.open()
    http._version = "v1.41"  # nobody answers who could be asked
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reads_nothing, trio.SocketListener(raw))
        with trio.fail_after(60), pytest.raises(EngineUnavailable, match="no answer in time"):
            await http.json("POST", "containers/create", 5.0, body="x" * 8_000_000)
        assert trio.current_time() == pytest.approx(5.0, abs=0.5)
        released.set()
    http.close()
    raw.close()


@pytest.mark.parametrize("way", ["json", "stream"])
async def test_an_error_that_breaks_off_is_an_engine_that_is_away(tmp_path: Path, way: str) -> None:
    async def dies(_: str, stream: trio.SocketStream) -> None:
        await stream.send_all(answered({"message": "no such thing"}, 404)[:-5])
        await stream.aclose()

    async def ask() -> None:
        if way == "json":
            await http.json("POST", "a", 5.0)
            return
        answer = await http.stream("logs", 5.0, {})
        try:
            await answer.read()
        finally:
            answer.close()

    async with scripted(tmp_path, dies) as (_, http):
        with pytest.raises(EngineUnavailable):
            await ask()
