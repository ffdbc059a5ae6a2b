"""One request to GitHub over HTTP. It neither waits for a budget nor tries again: the gateway does.

httpx runs on trio as it is; nothing crosses to asyncio.
"""

import json
import ssl
from typing import Any

import httpx

from runnerhub import __version__
from runnerhub.ports.github import (
    Authorization,
    GitHubRefused,
    GitHubUnavailable,
    Request,
    Response,
)

API_VERSION = "2022-11-28"
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
MOST_BYTES = 32 << 20
MOST_CONNECTIONS = 100

# Raised before a byte of the request has left.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class HttpTransport:
    """Send requests to one GitHub. `close` it at the end.

    Args:
        api_url: such as https://api.github.com, or https://HOST/api/v3 of an Enterprise Server.
        transport: stands in for the network, in tests.
        verify: for TLS to a server with a certificate of its own.
    """

    def __init__(
        self,
        api_url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._base = api_url.rstrip("/")
        self._origin = _origin(self._base)
        self._client = httpx.AsyncClient(
            transport=transport,
            verify=verify,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=20),
        )

    async def close(self) -> None:
        """Close the connections; harmless when repeated."""
        await self._client.aclose()

    async def send(
        self, request: Request, authorization: Authorization, etag: str | None = None
    ) -> Response:
        """Send a request and return the answer, whatever its status.

        Cancelling it closes the connection; GitHub may have acted.

        Raises:
            GitHubUnavailable: there is no whole answer.
            GitHubRefused: the address is not GitHub's, so it was not sent.
        """
        prepared = self._prepare(request, authorization, etag)
        try:
            answer = await self._client.send(prepared, stream=True)
            try:
                body = await _read(answer)
            finally:
                await answer.aclose()
        except _NOT_SENT as error:
            raise GitHubUnavailable(_words("cannot be reached", error), sent=False) from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise GitHubUnavailable(_words("broke off", error)) from error
        following = answer.links.get("next", {}).get("url")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status_code, headers, _decode(answer, body), following)

    def _prepare(
        self, request: Request, authorization: Authorization, etag: str | None
    ) -> httpx.Request:
        url = request.path
        if "://" not in url:
            url = f"{self._base}/{url.lstrip('/')}"
        try:
            origin = _origin(url)
        except httpx.InvalidURL:
            origin = None
        if origin != self._origin:
            raise GitHubRefused(0, f"{url} is not at {self._base}, so no token goes there")
        headers = {
            "accept": "application/vnd.github+json",
            "authorization": f"{authorization.scheme} {authorization.token}",
            "user-agent": f"RunnerHub/{__version__}",
            "x-github-api-version": API_VERSION,
        }
        if etag is not None:
            headers["if-none-match"] = etag
        # A link to a further page has its parameters already; an empty mapping would drop them.
        params = dict(request.params) or None
        return self._client.build_request(
            request.method, url, params=params, json=request.body, headers=headers
        )


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = httpx.URL(url)  # read by what sends it: another parser may see another host
    return parts.scheme, parts.host, parts.port


async def _read(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > MOST_BYTES:
            raise GitHubUnavailable(f"an answer of more than {MOST_BYTES >> 20} MiB")
    return bytes(body)


def _decode(answer: httpx.Response, body: bytes) -> Any:  # noqa: ANN401 - JSON
    if not body:
        return None
    try:
        return json.loads(body.decode("utf-8-sig"))  # the scale-set service begins with a BOM
    except (ValueError, RecursionError):
        # A proxy's page, say. It is the status that counts.
        return {"message": body[:200].decode("utf-8", "replace").strip() or answer.reason_phrase}


def _words(what: str, error: Exception) -> str:
    return f"GitHub {what}: {str(error) or type(error).__name__}"
