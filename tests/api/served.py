"""The API as it is served: by the real server, on loopback, over simulated ports."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
from prometheus_client import CollectorRegistry

from runnerhub.api.app import create_app
from runnerhub.api.auth import Tokens
from runnerhub.api.server import serve_api
from runnerhub.config import Settings
from tests.simulation.cluster import Cluster, Life

SECRET = "a secret of at least thirty-two characters"
PATIENCE = 15.0


@dataclass
class Served:
    """A server, and what is behind it."""

    port: int
    cluster: Cluster
    life: Life
    stop: trio.Event

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> "Wire":
        return Wire(await trio.open_tcp_stream("127.0.0.1", self.port))

    async def send(self, *raw: bytes) -> bytes:
        """Send bytes on a connection of their own; return all that comes until it is closed."""
        wire = await self.connect()
        try:
            for part in raw:
                await wire.send(part)
            return await wire.read_all()
        finally:
            wire.stream.socket.close()

    async def jobs_kept(self) -> int:
        return len((await self.cluster.ledger.jobs(limit=1000)).jobs)


class Wire:
    """A client that speaks bytes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def send(self, raw: bytes) -> None:
        await self.stream.send_all(raw)

    async def read_answer(self) -> bytes:
        """Return the head and the body of one answer that says its length."""
        raw = b""
        with trio.fail_after(PATIENCE):
            while b"\r\n\r\n" not in raw:
                raw += await self._some()
            head, _, rest = raw.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while len(rest) < length:
                rest += await self._some()
        return head + b"\r\n\r\n" + rest

    async def read_all(self) -> bytes:
        """Return all that comes until the server closes; fail when it does not."""
        raw = b""
        with trio.fail_after(PATIENCE):
            while part := await self.stream.receive_some():
                raw += part
        return raw

    async def drip(self, raw: bytes, pause: float = 0.02) -> None:
        """Send a little now and then until the server no longer listens."""
        try:
            while True:
                await self.stream.send_all(raw)
                await trio.sleep(pause)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def close(self) -> None:
        await self.stream.aclose()

    async def _some(self) -> bytes:
        part = bytes(await self.stream.receive_some())
        assert part, "the server closed before it had answered"
        return part


def token(role: str = "admin") -> str:
    return Tokens(SECRET).issue(role, "tester", 1)


def post(framing: str, *more: str, path: str = "/api/jobs/delegate", role: str = "proxy") -> bytes:
    """Return the head of a POST of JSON."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token(role)}", framing]
    if not any(line.lower().startswith("content-type") for line in more):
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, *more, "", ""]).encode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def served(
    cert: Path | None = None, key: Path | None = None, *, body_seconds: float = PATIENCE
) -> AsyncIterator[Served]:
    """Serve the API over a tree on simulated ports, on real time, for the block."""
    port = free_port()
    settings = Settings(bind=f"127.0.0.1:{port}", tls_cert=cert, tls_key=key)
    cluster, stop = Cluster(), trio.Event()
    async with cluster.life() as life, trio.open_nursery() as nursery:
        app = create_app(life.hub, settings, Tokens(SECRET), CollectorRegistry())
        app.config["BODY_TIMEOUT"] = body_seconds
        nursery.start_soon(serve_api, app, settings, stop.wait)
        await until_open(port)
        yield Served(port, cluster, life, stop)
        stop.set()


async def until_open(port: int) -> None:
    with trio.fail_after(PATIENCE):
        while True:
            try:
                await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
            except OSError:
                await trio.sleep(0.02)
            else:
                return
