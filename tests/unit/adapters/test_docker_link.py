"""A connection with TLS: bytes that have come may be less than can be read."""

import socket
import ssl
from collections.abc import Iterator

import pytest
import trio
import trustme

from runnerhub.adapters.docker.link import Link, _shake_hands


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection."""
    near, far = socket.socketpair()
    near.settimeout(0)
    far.settimeout(0)
    with far:
        yield near, far
    near.close()


class Server:
    """The other end, whose bytes a test holds in its hands."""

    def __init__(self, far: socket.socket, authority: trustme.CA) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self._far = far
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    async def shake_hands(self) -> None:
        """Do it, and send the tickets behind it."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                if self._out.pending:
                    self._far.send(self._out.read())
                await trio.lowlevel.wait_readable(self._far)
                self._in.write(self._far.recv(65536))
            else:
                self._far.send(self._out.read())
                return

    def written(self, data: bytes) -> bytes:
        """Return a record that holds this."""
        self._tls.write(data)
        return self._out.read()


async def test_half_a_record_does_not_keep_a_wait_whose_time_is_up(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    near, far = sockets
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    server = Server(far, authority)
    wrapped = context.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False)
    link = Link(wrapped)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.shake_hands)
        await _shake_hands(wrapped)
    record = server.written(b"word")
    far.send(record)
    assert await link.receive() == b"word"
    far.send(record[:3])
    link.close_when_silent()
    assert not link.is_silent()
    with trio.fail_after(1), pytest.raises(trio.ClosedResourceError):
        await link.receive()
    link.close()
