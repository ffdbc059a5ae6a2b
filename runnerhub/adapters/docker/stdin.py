"""A container's stdin over a connection that stays open: an attach, upgraded to a raw stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiodocker.stream import Stream

from runnerhub.adapters.docker.rare import Rare
from runnerhub.adapters.docker.refusal import Refused
from runnerhub.ports.errors import EngineUnavailable
from runnerhub.runtime import Bridge, shielded

_SECONDS = 10.0


class DockerStdin:
    """`ports.engine.Stdin` on a real engine."""

    def __init__(self, bridge: Bridge, client: Rare, stream: Stream) -> None:
        self._bridge = bridge
        self._client = client
        self._stream = stream

    async def send(self, data: bytes) -> None:
        """Write all of it."""
        await self._bridge.call(self._send, data)

    async def _send(self, data: bytes) -> None:
        async with self._client.translate(), asyncio.timeout(_SECONDS):
            try:
                await self._stream.write_in(data)
            except (AssertionError, RuntimeError) as error:  # aiodocker's words for "is closed"
                raise EngineUnavailable("The container's stdin is closed") from error


@asynccontextmanager
async def open_stdin(bridge: Bridge, client: Rare, name: str) -> AsyncIterator[DockerStdin]:
    """Attach to a container's stdin alone; leaving lets the container read the end."""
    stream = client.attach_stdin(name)
    try:
        try:
            await bridge.call(_open, client, stream)
        except Refused as refused:
            raise refused.as_error() from None
        yield DockerStdin(bridge, client, stream)
    finally:
        with shielded(_SECONDS):
            await bridge.call(stream.close)


async def _open(client: Rare, stream: Stream) -> None:
    async with client.translate(), asyncio.timeout(_SECONDS):
        await stream.__aenter__()
