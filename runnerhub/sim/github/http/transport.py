"""The simulated GitHub for httpx in the same process: no sockets, so a mock clock can drive it."""

import httpx

from runnerhub.sim.github.http.messages import Request
from runnerhub.sim.github.http.site import Site


class SimTransport(httpx.AsyncBaseTransport):
    """Hand a client's requests to a site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request; a lost answer is a ReadError."""
        body = await request.aread()
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.raw_path.decode("ascii")
        answer = await self._site.answer(Request(request.method, target, headers, body))
        if answer.lost:
            raise httpx.ReadError("the answer was lost", request=request)
        return httpx.Response(
            answer.status, headers=answer.headers, content=answer.body(), request=request
        )
