"""The API as it is served: over TLS, against clients that are slow, and to its end."""

import ssl
from pathlib import Path

import httpx
import pytest
import trio
import trustme

from runnerhub.api import connection, stream
from tests.api.served import PATIENCE, Served, post, served, token

GET = b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n"


async def answers(api: Served) -> bool:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{api.url}/api/health")).status_code == 200


async def test_half_a_request_is_cut_and_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.5)
    async with served() as api:
        slow = await api.connect()
        await slow.send(b"GET /api/health HTTP/1.1\r\nHost: x\r\n")
        assert await answers(api)
        await slow.read_all()
        await slow.close()


async def test_an_idle_connection_is_used_again_and_then_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.5)
    async with served() as api:
        wire = await api.connect()
        for _ in range(3):
            await wire.send(GET)
            assert (await wire.read_answer()).startswith(b"HTTP/1.1 200 ")
        assert await wire.read_all() == b""
        await wire.close()


STRANGER = b"POST /api/jobs/delegate HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("head", "part", "code"),
    [
        (post("Content-Length: 100"), b" ", b"408"),
        (post("Transfer-Encoding: chunked"), b"1\r\n \r\n", b"408"),
        (post("Content-Length: 9000000"), b" ", b"413"),
        (post("Content-Length: 100", "Content-Type: a/b"), b" ", b"415"),
        (STRANGER + b"Content-Length: 100\r\n\r\n", b" ", b"401"),
        (STRANGER + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", b"401"),
        (STRANGER + b"Content-Length: 100\r\n\r\n", b"", b"401"),
    ],
    ids=["408", "408-chunked", "413", "415", "401", "401-chunked", "401-silent"],
)
async def test_who_is_answered_early_is_let_go(
    head: bytes, part: bytes, code: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.2)
    async with served(body_seconds=0.5) as api, trio.open_nursery() as nursery:
        slow = await api.connect()
        await slow.send(head)
        if part:
            nursery.start_soon(slow.drip, part)
        answer = await slow.read_all()
        nursery.cancel_scope.cancel()
        assert answer.startswith(b"HTTP/1.1 " + code)
        assert b"\r\nconnection: close\r\n" in answer
        assert answer.count(b"HTTP/1.1") == 1
        await slow.close()


async def test_who_sends_much_too_much_still_reads_why() -> None:
    async with served() as api:
        wire = await api.connect()
        await wire.send(post("Content-Length: 5000000") + b" " * 5_000_000)
        answer = await wire.read_answer()
        assert answer.startswith(b"HTTP/1.1 413 ")
        await wire.close()


async def test_a_refused_body_that_came_whole_costs_no_connection() -> None:
    async with served() as api:
        wire = await api.connect()
        await wire.send(STRANGER + b"Content-Length: 2\r\n\r\n")
        await wire.send(b"{}")
        assert (await wire.read_answer()).startswith(b"HTTP/1.1 401 ")
        await wire.send(GET)
        assert (await wire.read_answer()).startswith(b"HTTP/1.1 200 ")
        await wire.close()


async def test_what_the_server_forgot_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    async with served() as api:
        assert (await api.send(upgrade)).startswith(b"HTTP/1.1 400 ")
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        await api.send(preface)
        assert await answers(api)


async def test_a_followed_log_is_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.1)
    async with served() as api:
        script = ["sh", "-c", "sleep 1; echo at last"]
        job = {
            "external_id": "1",
            "repository": "a/b",
            "execution": {"kind": "command", "image": "busybox:1", "command": script},
        }
        headers = {"Authorization": f"Bearer {token()}"}
        async with httpx.AsyncClient(base_url=api.url, headers=headers) as client:
            made = (await client.post("/api/jobs/delegate", json=job)).json()
            log = await client.get(f"/api/jobs/{made['id']}/logs?follow=true", timeout=PATIENCE)
        assert "at last" in log.text


MANY = b"GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100


async def test_who_does_not_read_holds_up_no_end() -> None:
    async with served() as api:
        deaf = await api.connect()
        with trio.move_on_after(0.5) as full:
            while True:
                await deaf.send(MANY)
        assert full.cancelled_caught, "what cannot be answered should not be taken"
        assert await answers(api)
        began = trio.current_time()
        # Leaving the block waits for the server's end.
    assert trio.current_time() - began < PATIENCE / 2
    await deaf.close()


async def test_who_does_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SEND_SECONDS", 0.3)
    async with served() as api:
        deaf = await api.connect()
        with trio.fail_after(PATIENCE):
            await deaf.drip(MANY, pause=0.0)
        assert await answers(api)
        await deaf.close()


async def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(cert), append=True)
    certificate.private_key_pem.write_to_path(str(key))
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    async with served(cert, key) as api, httpx.AsyncClient(verify=trusted) as client:
        for _ in range(2):
            answer = await client.get(f"https://127.0.0.1:{api.port}/api/health")
            assert answer.json() == {"status": "ok"}
