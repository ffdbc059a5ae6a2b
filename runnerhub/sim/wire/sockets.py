"""Listening sockets: made at once, stale ones reclaimed, removed at the end."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runnerhub.errors import RunnerHubError

_BACKLOG = 1024
_LONGEST_PATH = 107


class CannotListen(RunnerHubError):
    """A socket cannot be had."""


@contextmanager
def unix_listener(path: Path) -> Iterator[socket.socket]:
    """Listen on a unix socket of mode 0600 for the block, then remove it.

    Raises:
        CannotListen: another process listens there, or it is no place for a socket.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise CannotListen(f"{path} is too long for a socket: {_LONGEST_PATH} bytes at most")
    with socket.socket(socket.AF_UNIX) as listener:
        with _said(str(path)):
            _reclaim(path)
            listener.bind(str(path))
        try:
            path.chmod(0o600)
            listener.listen(_BACKLOG)
            yield listener
        finally:
            with contextlib.suppress(OSError):
                path.unlink()


@contextmanager
def tcp_listener(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on an address for the block.

    Raises:
        CannotListen: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _said(f"{host}:{port}"):
            listener.bind((host, port))
        listener.listen(_BACKLOG)
        yield listener


@contextmanager
def _said(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotListen(f"cannot listen on {where}: {error.strerror or error}") from None


def _reclaim(path: Path) -> None:
    """Remove a socket that nobody listens on."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotListen(f"{path} is there, and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0.5)  # a listener with a full backlog must not hold us up
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                path.unlink(missing_ok=True)
                return
    raise CannotListen(f"{path} is in use by another process")
