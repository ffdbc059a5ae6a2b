"""The connection to an engine: its API version, time limits, and what its errors mean.

All of it is asyncio's. aiodocker carries the requests; its objects for containers and networks
are not used, because they hide status codes that we have to tell apart.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiodocker
import aiohttp
from aiodocker.stream import Stream

from runnerhub.ports.errors import EngineRefused, EngineUnavailable

_OLDEST, _NEWEST = (1, 41), (1, 47)
_CONNECT_SECONDS = 5.0

# aiodocker's word for "no connection".
_NO_CONNECTION = 900

# An engine whose containerd is gone, or which is on its way out, says 500 and one of these.
_NOT_THERE = (
    "transport is closing",
    "error while dialing",
    "connection refused",
    "daemon is shutting down",
    "context canceled",
)


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


class Refused(Exception):
    """The engine answered with an error. Never leaves the adapter."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def says(self, *words: str) -> bool:
        """Tell whether its message contains one of these, in lower case."""
        return any(word in self.message.lower() for word in words)

    def as_error(self) -> EngineRefused:
        """Return what the port says of it."""
        return EngineRefused(self.message)


class Client:
    """Requests to one engine. Open it on the host loop."""

    def __init__(self, url: str, tls: TlsFiles | None) -> None:
        self.url = url
        self._tls = tls
        self._docker: aiodocker.Docker | None = None
        self._connector: aiohttp.BaseConnector | None = None
        self._has_version = False

    async def open(self) -> None:
        """Get ready. Nothing is sent, so it works while the engine is away."""
        if self._docker is not None:
            return
        # Every followed log holds a connection, so aiohttp's limit of 100 would block the rest.
        if self.url.startswith("unix://"):
            self._connector = aiohttp.UnixConnector(self.url.removeprefix("unix://"), limit=0)
            address = "unix://localhost"
        else:
            where = self.url.partition("://")[2]
            context = self._tls.context() if self._tls else None
            self._connector = aiohttp.TCPConnector(limit=0, ssl=context or True)
            address = f"{'https' if context else 'http'}://{where}"
        self._docker = aiodocker.Docker(
            url=address,
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            api_version=_version(_OLDEST),
        )

    async def close(self) -> None:
        """Close every connection. Harmless when repeated."""
        docker, self._docker = self._docker, None
        if docker is not None:
            await docker.close()
        if self._connector is not None:
            await self._connector.close()

    async def json(self, method: str, path: str, seconds: float, **request: Any) -> Any:  # noqa: ANN401
        """Send a request and return the answer's JSON, None when it has none.

        Raises:
            EngineUnavailable: no answer, or none within `seconds`.
            Refused: the engine answered with an error.
        """
        async with self.translate(), asyncio.timeout(seconds):
            response = await self._send(method, path, **request)
            try:
                text = await response.read()
            finally:
                response.release()  # closes the connection unless all was read
            return json.loads(text) if text.strip() else None

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        seconds: float,
        **request: Any,  # noqa: ANN401
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request, within `seconds`, and give its answer to be read piece by piece."""
        async with self.translate():
            async with asyncio.timeout(seconds):
                response = await self._send(method, path, **request)
            try:
                _keep_alive(response)
                yield response
            finally:
                response.close()

    def attach_stdin(self, name: str) -> Stream:
        """Return a stream to a container's stdin; entering it attaches."""
        if self._docker is None:
            raise EngineUnavailable(f"The connection to {self.url} is not open")
        return self._docker.containers.container(name).attach(stdin=True)

    @asynccontextmanager
    async def translate(self) -> AsyncIterator[None]:
        """Let foreign errors of the body come out as ours."""
        try:
            yield
        except aiodocker.DockerError as error:
            if self._is_away(error.status, error.message):
                self._has_version = False
                raise self._unavailable(error.message) from None
            raise Refused(error.status, error.message) from None
        except TimeoutError:
            self._has_version = False
            raise self._unavailable("no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._has_version = False
            raise self._unavailable(str(error) or type(error).__name__) from error

    def _is_away(self, status: int, message: str) -> bool:
        if status in (_NO_CONNECTION, 502, 503, 504):
            return True
        return status >= 500 and any(word in message.lower() for word in _NOT_THERE)  # noqa: PLR2004

    def _unavailable(self, why: str) -> EngineUnavailable:
        return EngineUnavailable(f"The engine at {self.url} does not answer: {why}")

    async def _send(self, method: str, path: str, **request: Any) -> aiohttp.ClientResponse:  # noqa: ANN401
        docker = self._docker
        if docker is None:
            raise EngineUnavailable(f"The connection to {self.url} is not open")
        if not self._has_version:
            answer = await docker._query_json("version", versioned_api=False)  # noqa: SLF001
            docker.api_version = _version(_negotiate(answer))
            self._has_version = True
        body = request.pop("body", None)
        if body is not None:
            request["data"] = json.dumps(body)
        async with docker._query(path, method, **request) as response:  # noqa: SLF001
            return response


def _negotiate(answer: dict[str, Any]) -> tuple[int, int]:
    # The newest that we know of; an engine that no longer speaks it names its oldest.
    newest = _numbers(str(answer["ApiVersion"]))
    oldest = _numbers(str(answer.get("MinAPIVersion") or "1.12"))
    if newest < _OLDEST:
        words = f"The engine speaks API {answer['ApiVersion']}; {_version(_OLDEST)} is needed"
        raise EngineUnavailable(words)
    return max(min(newest, _NEWEST), oldest)


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)


def _version(numbers: tuple[int, int]) -> str:
    return f"v{numbers[0]}.{numbers[1]}"


def _keep_alive(response: aiohttp.ClientResponse) -> None:
    """Let the kernel find out about a peer that is gone: a silent stream says nothing of it."""
    connection = response.connection
    transport = connection.transport if connection else None
    link = transport.get_extra_info("socket") if transport else None
    if link is None or link.family == socket.AF_UNIX:
        return
    with suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
