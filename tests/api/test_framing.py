"""Requests of odd shape, to the real server: a clear no, nothing taken, and it serves on."""

import gzip
import json

import pytest
from jsonschema import Draft202012Validator

from runnerhub.api.openapi import PROBLEM
from tests.api.conftest import body
from tests.api.served import Served, post, served

JOB = json.dumps(body()).encode()
SIZE = f"Content-Length: {len(JOB)}"
CHUNKED = "Transfer-Encoding: chunked"
CLOSE = "Connection: close"
MEGABYTE = 1024 * 1024


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def get(*lines: str, target: str = "/api/health") -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "", ""]).encode("latin-1")


async def refused(api: Served, code: int, *raw: bytes) -> bytes:
    answer = await api.send(*raw)
    assert answer.startswith(b"HTTP/1.1 %d " % code), answer[:300]
    head, _, problem = answer.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/problem+json\r\n" in head
    Draft202012Validator(PROBLEM).validate(json.loads(problem))
    assert await api.jobs_kept() == 0
    health = await api.send(get("Host: x", CLOSE))
    assert health.startswith(b"HTTP/1.1 200 ")
    return answer


LARGE = chunks(*[b" " * 65536] * 17, JOB)
PACKED = gzip.compress(JOB)


@pytest.mark.parametrize(
    ("code", "raw"),
    [
        pytest.param(413, post(CHUNKED, CLOSE) + LARGE, id="chunks over a megabyte"),
        pytest.param(
            413, post(f"Content-Length: {MEGABYTE + 1}", CLOSE) + b" " * (MEGABYTE + 1), id="large"
        ),
        pytest.param(413, post(f"Content-Length: {10**18}"), id="a length beyond all"),
        pytest.param(408, post(f"Content-Length: {len(JOB) + 1}") + JOB, id="length too long"),
        pytest.param(400, post(f"Content-Length: {len(JOB) - 1}", CLOSE) + JOB, id="too short"),
        pytest.param(400, post("Content-Length: -1") + JOB, id="length below nothing"),
        pytest.param(400, post("Content-Length: +2") + JOB, id="length with a sign"),
        pytest.param(400, post("Content-Length: 0x10") + JOB, id="length in hex"),
        pytest.param(400, post("Content-Length: 1,2") + JOB, id="two lengths in one"),
        pytest.param(400, post("Content-Length: 1", SIZE) + JOB, id="two lengths"),
        pytest.param(400, post("Content-Length: ") + JOB, id="an empty length"),
        pytest.param(400, post("X: y", CLOSE), id="no length"),
        pytest.param(400, post(SIZE, CHUNKED) + chunks(JOB), id="a length and chunks"),
        pytest.param(400, post(CHUNKED, SIZE) + JOB, id="chunks and a length"),
        pytest.param(400, post(CHUNKED) + b"zz\r\n", id="a chunk of no size"),
        pytest.param(400, post(CHUNKED) + b"-1\r\n\r\n", id="a chunk below nothing"),
        pytest.param(
            400, post(CHUNKED) + b"1\r\nab\r\n0\r\n\r\n", id="a chunk longer than it says"
        ),
        pytest.param(400, post(CHUNKED) + b"f" * 30 + b"\r\n", id="a chunk beyond all"),
        pytest.param(400, post(f"{CHUNKED[:-7]} chunked", "X : y") + chunks(JOB), id="name space"),
        pytest.param(501, post("Transfer-Encoding: gzip, chunked") + chunks(JOB), id="gzip chunks"),
        pytest.param(501, post("Transfer-Encoding: xchunked") + chunks(JOB), id="xchunked"),
        pytest.param(501, post("Transfer-Encoding: identity") + JOB, id="identity"),
        pytest.param(400, post("Transfer-Encoding : chunked") + chunks(JOB), id="space before :"),
        pytest.param(400, post(SIZE, "X: \x00") + JOB, id="NUL in a header"),
        pytest.param(400, post(SIZE, "X: a\rb") + JOB, id="CR in a header"),
        pytest.param(
            415,
            post(SIZE, CLOSE).replace(b"Content-Type: application/json\r\n", b"") + JOB,
            id="no type",
        ),
        pytest.param(
            415,
            post(f"Content-Length: {len(PACKED)}", "Content-Encoding: gzip", CLOSE) + PACKED,
            id="packed",
        ),
        pytest.param(
            400, post(f"Content-Length: {len(JOB) + 3}", CLOSE) + b"\xef\xbb\xbf" + JOB, id="BOM"
        ),
        pytest.param(400, get(CLOSE), id="no host"),
        pytest.param(400, get("Host: a", "Host: b", CLOSE), id="two hosts"),
        pytest.param(404, get("Host: x", CLOSE, target="http://["), id="a target that is no URL"),
        pytest.param(404, get("Host: x", CLOSE, target="*"), id="a target that is a star"),
        pytest.param(400, get("Host: x", CLOSE, target="/\xff"), id="a target beyond ASCII"),
        pytest.param(400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="TLS"),
        pytest.param(431, b"GET / HTTP/1.1\r\nX: " + b"x" * 66_000, id="a head without end"),
    ],
)
async def test_a_request_of_odd_shape_is_refused(code: int, raw: bytes) -> None:
    async with served(body_seconds=0.5) as api:
        await refused(api, code, raw)


async def test_no_second_request_hides_in_a_refused_one() -> None:
    hidden = get("Host: x", target="/api/openapi.json")
    shapes = [
        post(SIZE, CHUNKED) + b"0\r\n\r\n" + hidden,
        post("Content-Length: 4", CHUNKED) + b"0\r\n\r\n" + hidden,
        post("Content-Length: 0", f"Content-Length: {len(hidden)}") + hidden,
        post(f"Content-Length: {len(hidden)}", "Transfer-Encoding: xchunked") + hidden,
        post(CHUNKED) + b"0\r\nzz\r\n" + hidden,
    ]
    async with served() as api:
        for shape in shapes:
            answer = await api.send(shape)
            assert answer.count(b"HTTP/1.1 ") == 1, answer
            assert answer[:10] in {b"HTTP/1.1 4", b"HTTP/1.1 5"}
            assert b"openapi" not in answer


async def test_a_chunked_job_is_a_job_and_requests_may_wait_in_line() -> None:
    async with served() as api:
        twice = (post(CHUNKED) + chunks(JOB[:7], JOB[7:])) + (post(SIZE, CLOSE) + JOB)
        answer = await api.send(twice[:400], twice[400:])
        assert answer.count(b"HTTP/1.1 201 ") == 1
        assert answer.count(b"HTTP/1.1 200 ") == 1
        assert await api.jobs_kept() == 1


async def test_whoever_leaves_in_the_middle_leaves_nothing() -> None:
    async with served() as api:
        for raw in (post(SIZE) + JOB[:-1], post(CHUNKED) + chunks(JOB)[:-5], post(SIZE)[:-4]):
            wire = await api.connect()
            await wire.send(raw)
            await wire.close()
        assert (await api.send(get("Host: x", CLOSE))).startswith(b"HTTP/1.1 200 ")
        assert await api.jobs_kept() == 0


async def test_a_body_that_waits_to_be_asked_for_is_asked_for() -> None:
    for path in ("/api/jobs/delegate", "/api/jobs/delegate?"):
        async with served() as api:
            wire = await api.connect()
            await wire.send(post(SIZE, "Expect: 100-continue", CLOSE, path=path))
            assert await wire.stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
            await wire.send(JOB)
            assert (await wire.read_all()).startswith(b"HTTP/1.1 201 ")
            await wire.close()


async def test_old_clients_and_those_that_ask_for_the_head_alone() -> None:
    async with served() as api:
        old = await api.send(b"GET /api/health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert old.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nconnection: close\r\n" in old
        head = await api.send(get("Host: x", CLOSE).replace(b"GET", b"HEAD"))
        assert head.startswith(b"HTTP/1.1 200 ")
        assert head.endswith(b"\r\n\r\n")
        upgrade = get("Host: x", "Upgrade: h2c", "Connection: Upgrade, close")
        assert (await api.send(upgrade)).startswith(b"HTTP/1.1 200 ")
