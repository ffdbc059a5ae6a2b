"""The API as it is served: over TLS, and against clients that are slow."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
import trustme
from prometheus_client import CollectorRegistry

from runnerhub.api import create_app, serve_api, server
from runnerhub.api.auth import Tokens
from runnerhub.config import Settings
from tests.simulation.cluster import Cluster

SECRET = "a secret of at least thirty-two characters"
PATIENCE = 15.0


@asynccontextmanager
async def served(**more: Path) -> AsyncIterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = Settings(
        bind=f"127.0.0.1:{port}", tls_cert=more.get("cert"), tls_key=more.get("key")
    )
    stop = trio.Event()
    async with Cluster().life() as life, trio.open_nursery() as nursery:
        app = create_app(life.hub, settings, Tokens(SECRET), CollectorRegistry())
        app.config["BODY_TIMEOUT"] = 0.5
        nursery.start_soon(serve_api, app, settings, stop.wait)
        with trio.fail_after(PATIENCE):
            while True:
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                except OSError:
                    await trio.sleep(0.02)
                else:
                    break
        yield port
        stop.set()


async def read_all(stream: trio.SocketStream) -> bytes:
    parts = []
    with trio.fail_after(PATIENCE):
        while part := await stream.receive_some():
            parts.append(part)
    return b"".join(parts)


async def test_half_a_request_is_cut_and_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.5)
    async with served() as port:
        slow = await trio.open_tcp_stream("127.0.0.1", port)
        await slow.send_all(b"GET /api/health HTTP/1.1\r\nHost: x\r\n")
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{port}/api/health")
        assert answer.status_code == 200
        await read_all(slow)
        await slow.aclose()


async def test_a_slow_body_is_answered_408() -> None:
    async with served() as port:
        slow = await trio.open_tcp_stream("127.0.0.1", port)
        token = Tokens(SECRET).issue("proxy", "slow", 1)
        head = (
            "POST /api/jobs/delegate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n"
        )
        await slow.send_all(head.encode() + b'{"external_id":')
        with trio.fail_after(PATIENCE):
            first = await slow.receive_some()
        assert first.startswith(b"HTTP/1.1 408 ")
        await slow.aclose()


async def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(cert), append=True)
    certificate.private_key_pem.write_to_path(str(key))
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    async with served(cert=cert, key=key) as port, httpx.AsyncClient(verify=trusted) as client:
        answer = await client.get(f"https://127.0.0.1:{port}/api/health")
        assert answer.json() == {"status": "ok"}
