"""Hundreds of simulated hosts in one process."""

import contextlib
import resource
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from socket import socket

import trio

from runnerhub.sim.engine import SimEngine
from runnerhub.sim.wire.host import SimHost
from runnerhub.sim.wire.sockets import CannotListen, tcp_listener, unix_listener


def host_name(number: int) -> str:
    """Return the name of a host, counted from 1."""
    return f"host-{number:04d}"


@asynccontextmanager
async def serving(
    make: Callable[[str], SimEngine],
    count: int,
    folder: Path,
    tcp: tuple[str, int] | None = None,
) -> AsyncIterator[Sequence[str]]:
    """Serve hosts for the block; yields their URLs, those of the unix sockets first.

    Args:
        make: makes the engine of a host, by its name.
        count: how many.
        folder: where their sockets are made; it is made too.
        tcp: an address and the first of as many ports; 0 lets the system choose each.

    Raises:
        CannotListen: a socket is in use, or cannot be made.
    """
    _allow_many_files()
    with ExitStack() as stack:
        listeners, urls = _listen(stack, count, folder, tcp)
        async with trio.open_nursery() as nursery:
            for number in range(1, count + 1):
                host = SimHost(make(host_name(number)))
                nursery.start_soon(host.engine.haunt)
                for listener in listeners[number - 1 :: count]:
                    nursery.start_soon(host.serve, listener)
            yield urls
            nursery.cancel_scope.cancel()


def _listen(
    stack: ExitStack, count: int, folder: Path, tcp: tuple[str, int] | None
) -> tuple[list[socket], list[str]]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotListen(f"{folder} cannot be made: {error.strerror}") from None
    paths = [folder / f"{host_name(number)}.sock" for number in range(1, count + 1)]
    listeners = [stack.enter_context(unix_listener(path)) for path in paths]
    urls = [f"unix://{path}" for path in paths]
    if tcp is not None:
        host, first = tcp
        for number in range(count):
            listener = stack.enter_context(tcp_listener(host, first + number if first else 0))
            where = f"[{host}]" if ":" in host else host
            urls.append(f"tcp://{where}:{listener.getsockname()[1]}")
            listeners.append(listener)
    return listeners, urls


def _allow_many_files() -> None:
    """Raise the limit of open files: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
