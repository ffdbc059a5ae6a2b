"""An engine that says what a test tells it to, byte by byte, over a unix socket."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from runnerhub.adapters.docker.http import Http

VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12"}
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

# Says something to one request, `METHOD target`, on its connection.
Says = Callable[[str, trio.SocketStream], Awaitable[None]]


def answered(body: object, status: int = 200) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 %d Words\r\nContent-Length: %d\r\n\r\n%b" % (status, len(data), data)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Scripted:
    """What came, and over how many connections."""

    def __init__(self, says: Says) -> None:
        self.says = says
        self.requests: list[str] = []
        self.connections = 0
        self.open = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        self.open += 1
        pending = b""
        try:
            while True:
                while b"\r\n\r\n" not in pending:
                    more = bytes(await stream.receive_some())
                    if not more:
                        return
                    pending += more
                head, _, pending = pending.partition(b"\r\n\r\n")
                _, _, length = head.partition(b"Content-Length: ")
                size = int(length.split(b"\r\n")[0] or 0)
                while len(pending) < size:
                    pending += bytes(await stream.receive_some())
                pending = pending[size:]
                target = head.decode().split(" HTTP/1.1")[0].replace("/v1.41", "")
                if target == "GET /version":
                    await stream.send_all(answered(VERSION))
                    continue
                self.requests.append(target)
                await self.says(target, stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.open -= 1
            await stream.aclose()


@asynccontextmanager
async def scripted(folder: Path, says: Says) -> AsyncIterator[tuple[Scripted, Http]]:
    """Serve, and give a client whose API version is known."""
    path, engine = folder / "engine.sock", Scripted(says)
    listener = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await listener.bind(str(path))
    listener.listen(512)
    http = Http(f"unix://{path}", None)
    http.open()
    async with trio.open_nursery() as nursery:

        async def accept() -> None:
            while True:
                accepted, _ = await listener.accept()
                nursery.start_soon(engine.serve, trio.SocketStream(accepted))

        nursery.start_soon(accept)
        try:
            yield engine, http
        finally:
            http.close()
            nursery.cancel_scope.cancel()
            listener.close()
            path.unlink(missing_ok=True)
