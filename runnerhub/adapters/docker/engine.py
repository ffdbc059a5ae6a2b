"""The engine port on a real Docker Engine, put together of its parts."""

from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

from runnerhub.adapters.docker import answers
from runnerhub.adapters.docker.base import INFO_SECONDS
from runnerhub.adapters.docker.containers import Containers
from runnerhub.adapters.docker.events import EventStream, open_events
from runnerhub.adapters.docker.execs import Execs
from runnerhub.adapters.docker.images import Images
from runnerhub.adapters.docker.link import TlsFiles
from runnerhub.adapters.docker.logs import LogStream
from runnerhub.adapters.docker.networks import Networks
from runnerhub.adapters.docker.stdin import open_stdin
from runnerhub.ports.engine import EngineInfo, Stdin
from runnerhub.runtime import Bridge


class DockerEngine(Networks, Containers, Execs, Images):
    """One Docker Engine; `ports.engine.Engine` says what the methods do.

    Args:
        bridge: to the host loop, for what aiodocker does.
        url: `unix:///path` or `tcp://host:port`.
        tls: files for mutual TLS; None for a unix socket, or for tcp in the clear.
        stall_seconds: how long a pull or an import may stand still.
    """

    def __init__(
        self,
        bridge: Bridge,
        url: str,
        tls: TlsFiles | None = None,
        *,
        stall_seconds: float = 20.0,
    ) -> None:
        super().__init__(bridge, url, tls)
        self._stall_seconds = stall_seconds

    async def open(self) -> None:
        """Get ready. Sends nothing, so it works while the engine is away."""
        self._http.open()
        await self._bridge.call(self._rare.open)

    async def close(self) -> None:
        """Close every connection. Harmless when repeated."""
        self._http.close()
        await self._bridge.call(self._rare.close)

    async def info(self) -> EngineInfo:
        """Return what the engine says of itself."""
        return answers.engine_info(await self._ask("GET", "info", INFO_SECONDS, in_turn=False))

    def events(self, label: str) -> AbstractAsyncContextManager[EventStream]:
        """Stream container events from now on."""
        return open_events(self._http, self._followed, label)

    def logs(self, name: str, since: str = "") -> LogStream:
        """Follow a container's log to its end."""
        path = f"containers/{quote(name, safe='')}"
        return LogStream(self._http, self._followed, name, path, since)

    def open_stdin(self, name: str) -> AbstractAsyncContextManager[Stdin]:
        """Hold a container's stdin open."""
        return open_stdin(self._bridge, self._rare, name)
