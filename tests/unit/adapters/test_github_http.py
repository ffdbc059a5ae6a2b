"""The HTTP adapter: what is sent, what comes back, and how it fails. No network."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import jwt
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runnerhub.adapters.github import HttpTransport, KeyFileError, RsaSigner
from runnerhub.ports.github import (
    Authorization,
    GitHubRefused,
    GitHubUnavailable,
    Request,
    Response,
)

TOKEN = Authorization("token", "s3cret")
GHES = "https://ghe.example/api/v3"


async def sent(
    request: Request,
    answer: Callable[[httpx.Request], httpx.Response] | None = None,
    etag: str | None = None,
    authorization: Authorization = TOKEN,
) -> tuple[list[httpx.Request], Response]:
    seen: list[httpx.Request] = []

    def handle(got: httpx.Request) -> httpx.Response:
        seen.append(got)
        return answer(got) if answer is not None else httpx.Response(200, json={})

    transport = HttpTransport(GHES, transport=httpx.MockTransport(handle))
    try:
        return seen, await transport.send(request, authorization, etag)
    finally:
        await transport.close()


async def test_a_request_as_github_wants_it() -> None:
    request = Request("POST", "/repos/a/b/x", {"per_page": 5}, {"name": "ü"})
    [got], _ = await sent(request, etag='"e"')
    assert str(got.url) == f"{GHES}/repos/a/b/x?per_page=5"
    assert got.headers["authorization"] == "token s3cret"
    assert got.headers["accept"] == "application/vnd.github+json"
    assert got.headers["x-github-api-version"] == "2022-11-28"
    assert got.headers["if-none-match"] == '"e"'
    assert got.headers["user-agent"].startswith("RunnerHub/")
    assert json.loads(got.content) == {"name": "ü"}
    [got], _ = await sent(Request("GET", "/x"), authorization=Authorization("bearer", "j"))
    assert got.headers["authorization"] == "bearer j"
    assert "if-none-match" not in got.headers
    assert got.content == b""


async def test_an_answer_with_a_next_page() -> None:
    link = f'<{GHES}/x?page=2>; rel="next", <{GHES}/x?page=9>; rel="last"'

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[1], headers={"Link": link, "ETag": '"e"'})

    _, first = await sent(Request("GET", "/x", {"a": 1}), answer)
    assert (first.data, first.next, first.headers["etag"]) == ([1], f"{GHES}/x?page=2", '"e"')
    assert first.next is not None
    [got], _ = await sent(Request("GET", first.next))
    assert str(got.url) == first.next


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/x",
        "http://ghe.example/x",
        "https://ghe.example:444/x",
        "https://ghe.example@evil.example/x",
        "https://evil.example#@ghe.example/x",
        "https://ghe.example.evil.example/x",
        "https://ghe.example:x/y",
        "http://[",
        "://",
    ],
)
async def test_a_token_goes_nowhere_else(path: str) -> None:
    with pytest.raises(GitHubRefused, match="no token goes there"):
        await sent(Request("GET", path))


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"", None),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b"<html>gone</html>", {"message": "<html>gone</html>"}),
        (b"\xff", {"message": "\ufffd"}),
        (b"[" * 100_000, {"message": "[" * 200}),
        (b"9" * 5000, {"message": "9" * 200}),
    ],
)
async def test_bodies_of_all_sorts(body: bytes, data: object) -> None:
    _, answer = await sent(Request("GET", "/x"), lambda _: httpx.Response(502, content=body))
    assert (answer.status, answer.data) == (502, data)


@pytest.mark.parametrize(
    ("error", "was_sent"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.PoolTimeout("busy"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.RemoteProtocolError("cut"), True),
        (httpx.WriteError("cut"), True),
    ],
)
async def test_whether_it_was_sent_is_known(error: Exception, was_sent: bool) -> None:  # noqa: FBT001
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(GitHubUnavailable) as caught:
        await sent(Request("GET", "/x"), fail)
    assert caught.value.sent is was_sent
    assert "s3cret" not in str(caught.value)


async def test_a_server_that_breaks_off_in_the_body() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        transport = HttpTransport(f"http://127.0.0.1:{port}")
        with pytest.raises(GitHubUnavailable) as caught:
            await transport.send(Request("GET", "/x"), TOKEN)
        assert caught.value.sent
        await transport.close()
        nursery.cancel_scope.cancel()
    transport = HttpTransport(f"http://127.0.0.1:{port}")
    with pytest.raises(GitHubUnavailable) as caught:
        await transport.send(Request("GET", "/x"), TOKEN)
    assert not caught.value.sent
    await transport.close()


def test_an_app_signs_with_its_key(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path / "app.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signed = RsaSigner.from_file("12345", file).sign()
    claims = jwt.decode(signed, key.public_key(), algorithms=["RS256"])
    assert claims["iss"] == "12345"
    assert claims["exp"] - claims["iat"] <= 600
    file.write_text("no key")
    for path in (file, tmp_path / "missing"):
        with pytest.raises(KeyFileError):
            RsaSigner.from_file("12345", path)
