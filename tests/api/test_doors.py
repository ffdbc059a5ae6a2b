"""The hot routes are reached by two doors, and nobody can tell which one answered.

A target with a query goes through Quart; without one it is answered before that.
"""

import json
from typing import Any

import pytest

from tests.api.conftest import body
from tests.api.served import Served, post, served, token

CLOSE = "Connection: close"
DELEGATE = "/api/jobs/delegate"


def parsed(answer: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    head, _, rest = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    assert headers.pop(b"date")
    assert len(headers) == len(lines) - 1
    return first, headers, rest


async def by_both(api: Served, first: bytes, second: bytes) -> tuple[Any, Any]:
    return parsed(await api.send(first)), parsed(await api.send(second))


def delegating(raw: bytes, *more: str, query: str = "", role: str = "proxy") -> bytes:
    size = f"Content-Length: {len(raw)}"
    return post(size, CLOSE, *more, path=DELEGATE + query, role=role) + raw


def asking(path: str, *more: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", CLOSE, *more, "", ""]).encode()


JOB = json.dumps(body(labels=["nowhere"])).encode()  # which stays queued
RUNS = json.dumps(body()).encode()


@pytest.mark.parametrize(
    ("code", "raw", "more", "role"),
    [
        pytest.param(200, JOB, (), "proxy", id="again"),
        pytest.param(200, JOB, ("Content-Encoding: identity",), "admin", id="identity"),
        pytest.param(409, RUNS, (), "proxy", id="another body"),
        pytest.param(403, JOB, (), "viewer", id="a role that may not"),
        pytest.param(415, JOB, ("Content-Type: text/plain",), "proxy", id="another type"),
        pytest.param(200, JOB, ("Content-Type: Application/JSON; x=y",), "proxy", id="words"),
        pytest.param(200, JOB, ("Content-Type: application/a+json",), "proxy", id="a kind of JSON"),
        pytest.param(415, JOB, ("Content-Encoding: gzip",), "proxy", id="packed"),
        pytest.param(400, b"", (), "proxy", id="nothing"),
        pytest.param(400, b"{", (), "proxy", id="no JSON"),
        pytest.param(400, b'{"a":1,"a":2}'[:-1], (), "proxy", id="half"),
        pytest.param(422, b"{}", (), "proxy", id="no job"),
        pytest.param(422, json.dumps(body(priority="x")).encode(), (), "proxy", id="wrong field"),
        pytest.param(413, b" " * (1024 * 1024 + 1), (), "proxy", id="too large"),
    ],
)
async def test_delegating_by_both_doors(
    code: int, raw: bytes, more: tuple[str, ...], role: str
) -> None:
    async with served() as api:
        made = parsed(await api.send(delegating(JOB)))
        assert made[0] == b"HTTP/1.1 201 Created"
        hot, quart = await by_both(
            api, delegating(raw, *more, role=role), delegating(raw, *more, query="?", role=role)
        )
        assert hot[0].startswith(b"HTTP/1.1 %d " % code)
        assert hot == quart
        assert await api.jobs_kept() == 1


@pytest.mark.parametrize("query", ["", "?"])
async def test_either_door_makes_a_job(query: str) -> None:
    async with served() as api:
        first, headers, raw = parsed(await api.send(delegating(JOB, query=query)))
        assert first == b"HTTP/1.1 201 Created"
        assert headers == {
            b"content-type": b"application/json",
            b"content-length": b"%d" % len(raw),
            b"connection": b"close",
        }
        assert json.loads(raw)["external_id"] == "job-1"


@pytest.mark.parametrize(
    "header",
    [(), ("Authorization: Bearer x",), ("Authorization: Basic x",), ("Authorization: ",)],
    ids=["none", "bad", "basic", "empty"],
)
async def test_a_stranger_at_both_doors(header: tuple[str, ...]) -> None:
    async with served() as api:
        for path in (f"{DELEGATE}", "/api/jobs/job_01m86jv7qj76jrnq9cvh5yam6c/status"):
            hot, quart = await by_both(api, asking(path, *header), asking(f"{path}?", *header))
            assert hot == quart


async def test_asking_at_both_doors() -> None:
    allowed = f"Authorization: Bearer {token('viewer')}"
    async with served() as api:
        made = json.loads(parsed(await api.send(delegating(RUNS)))[2])["id"]
        await api.cluster.finished(api.life, made)
        for job in (made, "job_01m86jv7qj76jrnq9cvh5yam6c", "job_91m86jv7qj76jrnq9cvh5yam6c", "x"):
            for path in (f"/api/jobs/{job}", f"/api/jobs/{job}/status"):
                hot, quart = await by_both(api, asking(path, allowed), asking(f"{path}?", allowed))
                assert hot == quart
                assert hot[0] == (b"HTTP/1.1 200 OK" if job == made else b"HTTP/1.1 404 Not Found")


async def test_an_outage_at_both_doors() -> None:
    allowed = f"Authorization: Bearer {token('viewer')}"
    async with served() as api:
        api.cluster.ledger.outage = True
        path = "/api/jobs/job_01m86jv7qj76jrnq9cvh5yam6c"
        hot, quart = await by_both(api, asking(path, allowed), asking(f"{path}?", allowed))
        assert hot[0].startswith(b"HTTP/1.1 503 ")
        assert hot[1][b"retry-after"] == b"2"
        assert hot == quart
        hot, quart = await by_both(api, delegating(JOB), delegating(JOB, query="?"))
        assert hot[0].startswith(b"HTTP/1.1 503 ")
        assert hot == quart
        api.cluster.ledger.outage = False


async def test_a_mistake_of_ours_at_both_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as api:
        monkeypatch.setattr(api.life.hub, "pool", lambda _: 1 / 0)
        hot, quart = await by_both(api, delegating(JOB), delegating(JOB, query="?"))
        assert hot[0] == b"HTTP/1.1 500 Internal Server Error"
        assert hot == quart
