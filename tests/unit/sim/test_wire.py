"""What goes over the wire: connections, faults on them, and sockets."""

import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from runnerhub.sim.engine import SimEngine
from runnerhub.sim.plan import Fault, Plan
from runnerhub.sim.wire.server import serving
from runnerhub.sim.wire.sockets import CannotListen, unix_listener
from tests.unit.sim.serving import run, sim_hosts

IMAGE = "busybox:1"


@asynccontextmanager
async def host(folder: Path, *faults: Fault) -> AsyncIterator[tuple[SimEngine, "Wire"]]:
    engines: list[SimEngine] = []

    def make(name: str) -> SimEngine:
        engines.append(SimEngine(name, plan=Plan(1, faults) if faults else None))
        return engines[-1]

    async with serving(make, 1, folder) as urls:
        with trio.fail_after(20):
            yield engines[0], Wire(urls[0].removeprefix("unix://"))


class Wire:
    """A client that says plain bytes."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def open(self) -> trio.SocketStream:
        return await trio.open_unix_socket(self._path)

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        async with await self.open() as stream:
            await say(stream, method, path, body)
            return await answer(stream)


async def say(stream: trio.SocketStream, method: str, path: str, body: object = None) -> None:
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /v1.41{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    await stream.send_all(head.encode() + data)


async def answer(stream: trio.SocketStream) -> tuple[int, Any]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some()
        if not more:
            raise trio.BrokenResourceError
        data += bytes(more)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), 0
    )
    while len(body) < length:
        more = await stream.receive_some()
        if not more:
            raise trio.BrokenResourceError
        body += bytes(more)
    return int(head[9:12]), json.loads(body) if body.startswith((b"{", b"[")) else body


def container(script: str = "sleep 60", **more: object) -> dict[str, object]:
    return {"Image": IMAGE, "Cmd": ["sh", "-c", script], **more}


async def test_a_connection_carries_many_requests(tmp_path: Path) -> None:
    async with host(tmp_path) as (_, wire), await wire.open() as stream:
        for method, path, status in (
            ("GET", "/_ping", 200),
            ("GET", "/containers/none/json", 404),
            ("HEAD", "/_ping", 200),
            ("GET", "/no/such/page", 404),
            ("POST", "/containers/none/start", 404),
            ("GET", "/info", 200),
        ):
            await say(stream, method, path)
            if method == "HEAD":
                assert b"200 OK" in bytes(await stream.receive_some())
            else:
                assert (await answer(stream))[0] == status


async def test_a_request_in_pieces_is_one_request(tmp_path: Path) -> None:
    async with host(tmp_path) as (_, wire), await wire.open() as stream:
        data = json.dumps(container()).encode()
        head = f"POST /containers/create?name=rh-a HTTP/1.1\r\nContent-Length: {len(data)}\r\n\r\n"
        for start in range(0, len(head + data.decode()), 7):
            await stream.send_all((head.encode() + data)[start : start + 7])
            await trio.lowlevel.checkpoint()
        assert (await answer(stream))[0] == 201


@pytest.mark.parametrize(
    "said", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_is_no_http_ends_the_connection(tmp_path: Path, said: bytes) -> None:
    async with host(tmp_path) as (_, wire):
        async with await wire.open() as stream:
            await stream.send_all(said)
            assert await stream.receive_some() == b""
        assert (await wire.ask("GET", "/_ping"))[0] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/containers/create?name=rh-a", []),
        ("/containers/create?name=..", container()),
        ("/containers/create?name=rh-a", {"Image": IMAGE, "HostConfig": {"NanoCpus": "x"}}),
        ("/containers/create?name=rh-a", container(HostConfig={"StorageOpt": {"size": "much"}})),
        ("/networks/create", {"Name": "rh-n", "IPAM": {"Config": [{"Subnet": "much"}]}}),
        ("/networks/create", {}),
        ("/images/create", {}),
    ],
)
async def test_a_wrong_body_is_a_bad_request(tmp_path: Path, path: str, body: object) -> None:
    async with host(tmp_path) as (_, wire):
        status, said = await wire.ask("POST", path, body)
        assert status == 400
        assert said["message"]


async def test_wrong_parameters_are_bad_requests(tmp_path: Path) -> None:
    async with host(tmp_path) as (_, wire):
        await wire.ask("POST", "/containers/create?name=rh-a", container())
        for path in (
            "/containers/json?filters=x",
            "/containers/json?filters=[1]",
            "/containers/rh-a/logs",
            "/containers/rh-a/logs?stdout=1&since=x",
            "/events?since=x",
        ):
            assert (await wire.ask("GET", path))[0] == 400, path


async def test_a_create_lands_although_its_client_is_gone(tmp_path: Path) -> None:
    async with host(tmp_path) as (engine, wire):
        engine.delay_next_create(0.2)
        async with await wire.open() as stream:
            body = container(Labels={"dev.runnerhub.sandbox": "x"})
            await say(stream, "POST", "/containers/create?name=rh-a", body)
            await trio.sleep(0.05)
        assert engine.leftovers() == {}
        await trio.sleep(0.2)
        assert engine.leftovers() == {"containers": ["rh-a"]}


async def test_a_stalled_answer_comes_late_and_its_effect_does_not(tmp_path: Path) -> None:
    stall = Fault("stall", at_seconds=0, seconds=0.3, on=("/create",))
    async with host(tmp_path, stall) as (engine, wire), trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(wire.ask, "POST", "/containers/create?name=rh-a", container())
        await trio.sleep(0.1)
        assert engine.world.find("rh-a") is not None
        assert (await wire.ask("GET", "/_ping"))[0] == 200
        assert trio.current_time() - began < 0.3


async def test_a_connection_is_reset_in_the_middle(tmp_path: Path) -> None:
    reset = Fault("reset", chance=1, on=("/logs",))
    async with host(tmp_path, reset) as (_, wire):
        await wire.ask("POST", "/containers/create?name=rh-a", container("seq 3000"))
        await wire.ask("POST", "/containers/rh-a/start")
        for _ in range(5):
            with pytest.raises(trio.BrokenResourceError):
                await wire.ask("GET", "/containers/rh-a/logs?stdout=1")
        assert (await wire.ask("GET", "/containers/rh-a/json"))[0] == 200


async def test_a_restart_breaks_streams_and_answers(tmp_path: Path) -> None:
    async with host(tmp_path) as (engine, wire), await wire.open() as stream:
        await say(stream, "GET", "/events")
        await stream.receive_some()
        engine.crash(down_seconds=0.2)
        assert await stream.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await wire.ask("GET", "/_ping")
        await trio.sleep(0.2)
        assert (await wire.ask("GET", "/_ping"))[0] == 200


async def test_a_listener_that_goes_leaves_no_task(tmp_path: Path) -> None:
    async with host(tmp_path) as (_, wire):
        before = trio.lowlevel.current_statistics().tasks_living
        for path in ("/events", "/containers/rh-a/logs?follow=1&stdout=1"):
            await wire.ask("POST", "/containers/create?name=rh-a", container())
            await wire.ask("POST", "/containers/rh-a/start")
            async with await wire.open() as stream:
                await say(stream, "GET", path)
                await stream.receive_some()
        while trio.lowlevel.current_statistics().tasks_living > before:
            await trio.sleep(0.01)


def test_hosts_are_served_until_a_signal(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "host-0002.sock"))
    with sim_hosts(tmp_path, "--count", "3", "--tcp", "127.0.0.1:0") as urls:
        paths = [tmp_path / f"host-000{number}.sock" for number in (1, 2, 3)]
        assert urls[:3] == [f"unix://{path}" for path in paths]
        assert all(url.startswith("tcp://127.0.0.1:") for url in urls[3:])
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in paths)
        port = int(urls[4].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"GET /info HTTP/1.0\r\n\r\n")
            said = b"".join(iter(lambda: connection.recv(65536), b""))
        assert b'"Name":"host-0002"' in said
        with pytest.raises(CannotListen, match="in use"), unix_listener(paths[0]):
            pass
        again = run_hosts("--dir", str(tmp_path))
        assert (again.returncode, again.stderr.count("\n")) == (1, 1)
        assert "in use" in again.stderr


def run_hosts(*arguments: str) -> Any:
    return run([sys.executable, "-m", "runnerhub", "sim", "hosts", *arguments])


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[[fault]]\nkind = 'slow'\n")
    (tmp_path / "host-0001.sock").write_text("no socket")
    for arguments, code, words in (
        (("--faults", str(bad)), 2, "kind 'slow' is none of"),
        (("--faults", str(tmp_path / "none")), 2, "No such file"),
        (("--commands", str(bad)), 2, "[[command]]"),
        (("--tcp", "nowhere"), 2, "no HOST:PORT"),
        ((), 1, "is no socket"),
    ):
        done = run_hosts("--dir", str(tmp_path), *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1), done
        assert words in done.stderr
