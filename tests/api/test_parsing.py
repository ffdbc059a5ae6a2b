"""What the parser makes of bytes, wherever they are cut, and what it does not hold."""

import pytest

from runnerhub.api.parsing import HEAD_BYTES, Requests

LINE = b"POST /a HTTP/1.1\r\nHost: x\r\n"
THREE = (
    b"GET /one?q=1 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    b"POST /two HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    b"3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\ntrailer: z\r\n\r\n"
    b"POST /three HTTP/1.1\r\nHOST: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
)


@pytest.mark.parametrize("size", range(1, len(THREE) + 1))
def test_it_does_not_matter_where_bytes_are_cut(size: int) -> None:
    requests = Requests()
    for at in range(0, len(THREE), size):
        requests.feed(THREE[at : at + size])
    one, two, three = requests.waiting
    assert requests.refused is None
    assert (one.method, one.target, one.version, one.keep) == ("GET", b"/one?q=1", "1.1", True)
    assert (one.first(b"x-a"), one.first(b"x-b")) == (b"1", None)
    assert (two.take_body(), two.size, two.first(b"trailer")) == (b"abcdefg", 7, None)
    assert (three.take_body(), three.keep, three.ended) == (b"hi", False, True)
    assert three.take_body() == b""


def test_what_follows_a_request_that_would_be_upgraded_is_a_request() -> None:
    requests = Requests()
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    requests.feed(upgrade * 3)
    assert len(requests.waiting) == 3
    assert requests.refused is None


@pytest.mark.parametrize(
    ("status", "begin", "more"),
    [
        (431, b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: 1\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"1" * 1000),
        (431, b"GET /", b"a" * 1000),
        (431, LINE + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ", b"1" * 1000),
        (431, LINE + b"Transfer-Encoding: chunked\r\n\r\n1;", b"1" * 1000),
        (431, b"\r\n", b"\r\n" * 1000),
        (400, LINE + b"Content-Length: ", b"1" * 1000),
    ],
    ids=["headers", "a header", "a target", "trailers", "a chunk", "nothing", "a length"],
)
def test_nothing_is_held_without_bound(status: int, begin: bytes, more: bytes) -> None:
    requests = Requests()
    requests.feed(begin)
    fed = 0
    while requests.refused is None:
        requests.feed(more)
        fed += len(more)
        assert fed <= 2 * HEAD_BYTES
    assert requests.refused == status


def test_a_body_is_no_head() -> None:
    requests = Requests()
    requests.feed(LINE + b"Content-Length: 10000000\r\n\r\n")
    for _ in range(200):
        requests.feed(b" " * 50_000)
        assert requests.waiting[0].take_body() == b" " * 50_000
    assert requests.refused is None
    assert requests.waiting[0].ended


@pytest.mark.parametrize(
    "raw",
    [
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_what_is_not_served_is_refused_and_nothing_behind_it_is_read(raw: bytes) -> None:
    requests = Requests()
    requests.feed(raw + THREE)
    requests.feed(THREE)
    assert requests.refused == 400
    assert not requests.waiting


def test_an_old_client_is_answered_once() -> None:
    requests = Requests()
    requests.feed(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert not requests.waiting[0].keep
