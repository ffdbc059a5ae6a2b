"""A socket to an engine: unix, tcp, or tcp with mutual TLS, read and written by one trio task.

The socket is the standard library's and never blocks; trio only tells when it is ready. Trio's own
sockets turn the scheduler once more for each call, and there are two calls to a request.
"""

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import trio
from trio.lowlevel import checkpoint, notify_closing, wait_readable, wait_writable

_READ = 64 * 1024
# A unix socket whose queue of new connections is full says so, and cannot be waited for.
_QUEUE_FULL_SECONDS = 0.02


class NothingSent(OSError):
    """The other side had closed before a byte of this was taken."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files for mutual TLS: the authority of the engine, our certificate and its key."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return what a client needs."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.certificate, self.key)
        return context


class Link:
    """One connection, on which a single task reads and writes.

    Attributes:
        closes_when_silent: whether it closes once all that has come is read.
    """

    __slots__ = ("_socket", "closes_when_silent")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.closes_when_silent = False

    async def send(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            NothingSent: the other side has not got a byte.
            OSError: the connection is no more.
        """
        sent = 0
        while True:
            try:
                sent += self._socket.send(data[sent:] if sent else data)
            except (BlockingIOError, ssl.SSLWantWriteError):
                await wait_writable(self._socket)
            except ssl.SSLWantReadError:
                await wait_readable(self._socket)
            except OSError as error:
                if sent:
                    raise
                raise NothingSent(error.errno, error.strerror) from error
            else:
                if sent == len(data):
                    return

    async def receive(self) -> bytes:
        """Wait for bytes as they come, b"" at their end. A checkpoint; cancelling it loses none.

        Raises:
            OSError: the connection is no more.
            trio.ClosedResourceError: `close` was called.
        """
        link = self._socket
        if link.fileno() == -1:
            raise trio.ClosedResourceError
        while True:
            if isinstance(link, ssl.SSLSocket) and link.pending():
                await checkpoint()
            else:
                await wait_readable(link)
            try:
                return link.recv(_READ)
            except (BlockingIOError, ssl.SSLWantReadError):
                if self.closes_when_silent:
                    self.close()
                    raise trio.ClosedResourceError from None
            except ssl.SSLWantWriteError:
                await wait_writable(link)

    def is_silent(self) -> bool:
        """Tell whether it is open and nothing has come that was not read yet."""
        try:
            # Past TLS, which cannot look ahead: the end of a connection is seen below it as well.
            socket.socket.recv(self._socket, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close_when_silent(self) -> None:
        """Close, but not before what has come is read."""
        # What has come may be less than TLS can read: then the next `receive` finds out.
        self.closes_when_silent = True
        if self.is_silent():
            self.close()

    def close(self) -> None:
        """Close; whoever reads or writes is woken with an error. Harmless when repeated."""
        if self._socket.fileno() != -1:
            notify_closing(self._socket)
            self._socket.close()


async def connect(url: str, context: ssl.SSLContext | None) -> Link:
    """Connect to an engine.

    Args:
        url: `unix:///path` or `tcp://host:port`.
        context: for mutual TLS; None for none.

    Raises:
        OSError: it does not listen, or cannot be trusted.
    """
    if url.startswith("unix://"):
        return await _connect_unix(url.removeprefix("unix://"))
    host, _, port = url.partition("://")[2].rpartition(":")
    host = host.strip("[]")
    stream = await trio.open_tcp_stream(host, int(port))
    plain = socket.socket(fileno=stream.socket.detach())
    try:
        plain.settimeout(0)
        _watch_peer(plain)
        if context is None:
            return Link(plain)
        wrapped = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise
    try:
        await _shake_hands(wrapped)
    except BaseException:
        wrapped.close()
        raise
    return Link(wrapped)


async def _connect_unix(path: str) -> Link:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(0)
        while True:
            try:
                link.connect(path)
            except BlockingIOError:
                await trio.sleep(_QUEUE_FULL_SECONDS)
            else:
                return Link(link)
    except BaseException:
        link.close()
        raise


async def _shake_hands(link: ssl.SSLSocket) -> None:
    while True:
        try:
            link.do_handshake()
        except ssl.SSLWantReadError:
            await wait_readable(link)
        except ssl.SSLWantWriteError:
            await wait_writable(link)
        else:
            return


def _watch_peer(link: socket.socket) -> None:
    """Let the kernel find out about a peer that is gone: a silent stream says nothing of it."""
    with suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
