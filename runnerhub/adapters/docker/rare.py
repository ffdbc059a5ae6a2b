"""Requests through aiodocker: what is rare, goes on for long, or becomes a raw stream.

All of it is asyncio's. aiodocker's objects for images and execs are not used, because they hide
status codes that we have to tell apart.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiodocker
import aiohttp
from aiodocker.stream import Stream

from runnerhub.adapters.docker.link import TlsFiles
from runnerhub.adapters.docker.refusal import Refused, is_away, not_open, unavailable
from runnerhub.adapters.docker.version import OLDEST, negotiate, written

_CONNECT_SECONDS = 5.0

# aiodocker's word for "no connection".
_NO_CONNECTION = 900


class Rare:
    """Requests to one engine. All of it is used on the host loop."""

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
            api_version=written(OLDEST),
        )

    async def close(self) -> None:
        """Close every connection. Harmless when repeated."""
        docker, self._docker = self._docker, None
        if docker is not None:
            await docker.close()
        if self._connector is not None:
            await self._connector.close()

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
                yield response
            finally:
                response.close()

    def attach_stdin(self, name: str) -> Stream:
        """Return a stream to a container's stdin; entering it attaches."""
        if self._docker is None:
            raise not_open(self.url)
        return self._docker.containers.container(name).attach(stdin=True)

    @asynccontextmanager
    async def translate(self) -> AsyncIterator[None]:
        """Let foreign errors of the body come out as ours."""
        try:
            yield
        except aiodocker.DockerError as error:
            if error.status == _NO_CONNECTION or is_away(error.status, error.message):
                self._has_version = False
                raise unavailable(self.url, error.message) from None
            raise Refused(error.status, error.message) from None
        except TimeoutError:
            self._has_version = False
            raise unavailable(self.url, "no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._has_version = False
            raise unavailable(self.url, str(error) or type(error).__name__) from error

    async def _send(self, method: str, path: str, **request: Any) -> aiohttp.ClientResponse:  # noqa: ANN401
        docker = self._docker
        if docker is None:
            raise not_open(self.url)
        if not self._has_version:
            answer = await docker._query_json("version", versioned_api=False)  # noqa: SLF001
            docker.api_version = negotiate(answer)
            self._has_version = True
        body = request.pop("body", None)
        if body is not None:
            request["data"] = json.dumps(body)
        async with docker._query(path, method, **request) as response:  # noqa: SLF001
            return response
