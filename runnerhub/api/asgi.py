"""One request through an ASGI application.

While the application answers it goes on receiving: the rest of the body, and then whether the
client leaves. So an answer may begin before the body has ended; `connection` says what then.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import structlog
import trio

from runnerhub.api.connection import SETTLE_SECONDS, Connection
from runnerhub.api.parsing import WireRequest
from runnerhub.api.replies import head

log = structlog.get_logger(__name__)

Event = Mapping[str, Any]
GONE: Event = {"type": "http.disconnect"}
BODILESS = frozenset({204, 304})


class AsgiDoor:
    """Answers requests by an application.

    Args:
        app: the application.
        scheme: http or https.
        client: the other end's address and port.
    """

    def __init__(self, app: Any, scheme: str, client: tuple[str, int] | None) -> None:  # noqa: ANN401 - ASGI
        self._app = app
        self._scheme = scheme
        self._client = client

    async def __call__(self, connection: Connection, request: WireRequest) -> bool:
        """Answer a request; return whether the connection may be used again."""
        turn = _Turn(connection, request)
        path, _, query = request.target.partition(b"?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.version,
            "method": request.method,
            "scheme": self._scheme,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": request.headers,
            "client": self._client,
        }
        try:
            await self._app(scope, turn.receive, turn.send)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            turn.finished = False
        except* Exception as errors:  # noqa: BLE001 - whatever it is, it ends this one alone
            log.warning("connection dropped", action="connection_dropped", why=repr(errors))
            turn.finished = False
        return turn.finished and turn.keep and request.ended


class _Turn:
    def __init__(self, connection: Connection, request: WireRequest) -> None:
        self.finished = False
        self.keep = request.keep
        self._connection = connection
        self._request = request
        self._ended = trio.Event()  # the application has the whole body
        self._over = False  # nothing more is sent
        self._start: bytes | None = None  # a head that its body is to go with
        self._bare = self._chunked = False

    async def receive(self) -> Event:
        """Return the next part of the body; behind it, that the client has left."""
        request, requests = self._request, self._connection.requests
        while not self._ended.is_set():
            if request.parts or request.ended:
                if request.ended:
                    self._ended.set()
                body = request.take_body()
                return {"type": "http.request", "body": body, "more_body": not request.ended}
            if requests.refused is not None:
                await self._refuse(requests.refused)
                return GONE
            if not await self._connection.read():
                return GONE
        while not requests.waiting and requests.refused is None:
            if not await self._connection.read():
                return GONE
        await trio.Event().wait()  # what it asks next waits for its turn
        return GONE

    async def send(self, event: Event) -> None:
        """Send a part of the answer."""
        if self._over:
            return
        if event["type"] == "http.response.start":
            await self._begin(event["status"], event["headers"])
        else:
            await self._go_on(event.get("body", b""), more=event.get("more_body", False))

    async def _begin(self, status: int, given: Iterable[tuple[bytes, bytes]]) -> None:
        if not self._request.ended:
            with trio.move_on_after(SETTLE_SECONDS):
                await self._ended.wait()
        if self._over:
            return
        headers = list(given)
        names = {name for name, _ in headers}
        self._bare = self._request.method == "HEAD" or status in BODILESS
        if b"content-length" not in names and not self._bare:
            self._chunked = self._request.version == "1.1"
            self.keep = self.keep and self._chunked
            if self._chunked:
                headers.append((b"transfer-encoding", b"chunked"))
        if not self._request.ended or self._connection.last:
            self.keep = False
        if not self.keep and b"connection" not in names:
            headers.append((b"connection", b"close"))
        start = head(status, headers)
        if b"content-length" in names:
            self._start = start
        else:
            await self._connection.send(start)

    async def _go_on(self, body: bytes, *, more: bool) -> None:
        data, self._start = self._start or b"", None
        if not self._bare:
            data += b"%x\r\n%b\r\n" % (len(body), body) if self._chunked and body else body
            if self._chunked and not more:
                data += b"0\r\n\r\n"
        if data:
            await self._connection.send(data)
        if not more:
            self.finished = self._over = True

    async def _refuse(self, status: int) -> None:
        if self._start is None and not self._over:
            self._over = True
            await self._connection.refuse(status)
