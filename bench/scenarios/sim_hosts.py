"""Processor time that simulated hosts take for a job: its nine requests, its log and its events.

The requests are those of a node for an `echo` in an isolated network, over kept connections, with
one listener to each host's events.
"""

import argparse
import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from bench.load import run_client
from bench.node import cpu_seconds
from bench.result import RESULTS, Better, Figure, with_goals
from bench.whole.hosts import Fleet, a_fleet
from bench.whole.profile import profiled

GOALS = {"hosts.cpu_per_job": 1.0}
LABEL = "dev.runnerhub.cluster"
FILTERS = {"type": ["container"], "label": [f"{LABEL}=bench"]}
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the size of the load."""
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--profile", action="store_true", help="where their time goes (py-spy)")


def run(options: argparse.Namespace) -> list[Figure]:
    """Drive them, and read their processor time."""
    profile = RESULTS / f"{options.name}-profile" if options.profile else None
    with a_fleet(options.hosts) as fleet:
        run_client(_drive(fleet, options.jobs // 10, options.at_once))
        before, began, own = cpu_seconds(fleet.pid), time.perf_counter(), time.process_time()
        with profiled(fleet.pid, profile):
            run_client(_drive(fleet, options.jobs, options.at_once))
        passed, own = time.perf_counter() - began, time.process_time() - own
        used = cpu_seconds(fleet.pid) - before
        left = fleet.containers()
    return with_goals(
        [
            Figure("hosts.cpu_per_job", used / options.jobs * 1000, "ms", Better.LOWER),
            Figure("hosts.jobs_per_core", options.jobs / used, "/s", Better.HIGHER),
            Figure("hosts.rate", options.jobs / passed, "/s", Better.HIGHER),
            Figure("hosts.cpu", used / passed, "cores"),
            Figure("client.cpu_per_job", own / options.jobs * 1000, "ms"),
            Figure("hosts.left", left, "containers", Better.LOWER, 0),
        ],
        GOALS,
    )


async def _drive(fleet: Fleet, jobs: int, at_once: int) -> None:
    numbers = iter(range(jobs))
    listeners = [await _listen(socket) for socket in fleet.sockets]

    async def work(own: int) -> None:
        connections: dict[Path, _Connection] = {}
        for number in numbers:
            socket = fleet.sockets[number % len(fleet.sockets)]
            if socket not in connections:
                connections[socket] = await _open(socket)
            await _live(connections[socket], f"rh-{own}-{number}", number)
        for each in connections.values():
            each.transport.close()

    await asyncio.gather(*(work(each) for each in range(at_once)))
    for listener in listeners:
        listener.transport.close()


async def _live(wire: "_Connection", name: str, number: int) -> None:
    """Live the life of a sandbox: what a node asks for, in its order."""
    for request in _requests(name, number):
        await wire.ask(request)


def _requests(name: str, number: int) -> Iterator[bytes]:
    labels = {LABEL: "bench", "dev.runnerhub.sandbox": name, "dev.runnerhub.attempt": "1"}
    pool = {"Subnet": f"10.{number // 4096 % 256}.{number // 16 % 256}.{number % 16 * 16}/28"}
    yield _request(
        "POST",
        "/networks/create",
        {
            "Name": name,
            "CheckDuplicate": True,
            "Driver": "bridge",
            "Internal": True,
            "EnableIPv6": False,
            "IPAM": {"Driver": "default", "Config": [pool]},
            "Options": {
                "com.docker.network.bridge.name": name,
                "com.docker.network.bridge.enable_icc": "true",
                "com.docker.network.bridge.inhibit_ipv4": "true",
            },
            "Labels": labels,
        },
    )
    yield _request(
        "POST",
        f"/containers/create?name={name}",
        {
            "Image": "busybox",
            "Env": [],
            "Labels": labels,
            "OpenStdin": False,
            "StdinOnce": False,
            "AttachStdin": False,
            "Tty": False,
            "HostConfig": {
                "NetworkMode": name,
                "Privileged": False,
                "CapDrop": ["ALL"],
                "CapAdd": [],
                "SecurityOpt": ["no-new-privileges"],
                "ReadonlyRootfs": False,
                "IpcMode": "private",
                "Init": False,
                "AutoRemove": False,
                "RestartPolicy": {"Name": "no"},
                "LogConfig": {
                    "Type": "json-file",
                    "Config": {"max-size": "64m", "max-file": "2"},
                },
            },
            "Cmd": ["echo", "done"],
            "NetworkingConfig": {"EndpointsConfig": {name: {"Aliases": ["job"]}}},
        },
    )
    log = f"/containers/{name}/logs?stdout=1&stderr=1&timestamps=1"
    yield _request("POST", f"/containers/{name}/start")
    yield _request("GET", f"/containers/{name}/json")
    yield _request("GET", f"{log}&follow=1")
    yield _request("GET", f"/containers/{name}/json")
    yield _request("GET", f"{log}&follow=0&since=1767225600.000000000")
    yield _request("DELETE", f"/containers/{name}?force=1&v=1")
    yield _request("DELETE", f"/networks/{name}")


def _request(method: str, path: str, body: object = None) -> bytes:
    # With the headers of aiodocker, which cost parsing.
    head = (
        f"{method} /v1.41{path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n"
        "Accept-Encoding: gzip, deflate\r\nUser-Agent: Python/3.11 aiohttp/3.12\r\n"
    )
    if body is None:
        return f"{head}\r\n".encode()
    data = json.dumps(body).encode()
    return (
        f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        + (data)
    )


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._listens = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request; its answer must be no error."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    def listen(self, request: bytes) -> None:
        """Send a request, and heed nothing that is said to it."""
        self._listens = True
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._listens or self._answer is None or self._answer.done():
            return
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        if length := LENGTH.search(head):
            if len(body) < int(length[1]):
                return
        elif b"chunked" in head and not body.endswith(b"0\r\n\r\n"):
            return
        self._received = b""
        if head[9:10] == b"2":
            self._answer.set_result(body)
        else:
            self._answer.set_exception(RuntimeError(f"{head!r} {body!r}"))

    def connection_lost(self, _: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError())


async def _open(socket: Path) -> _Connection:
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_unix_connection(_Connection, str(socket))
    return protocol


async def _listen(socket: Path) -> _Connection:
    connection = await _open(socket)
    connection.listen(_request("GET", f"/events?filters={quote(json.dumps(FILTERS))}"))
    return connection
