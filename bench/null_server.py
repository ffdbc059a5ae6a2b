"""`python -m bench.null_server`: answers without thinking, to see what the client can do."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.load import run_client

ANSWER = b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\n{}"


class _Answers(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - one request is as any other
        self.transport.write(ANSWER)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def a_null_server() -> Iterator[int]:
    """Run it in a process of its own, and yield its port."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.null_server"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


if __name__ == "__main__":
    run_client(_serve())
