"""One request and its answer, ended in order although the request's body has not.

A client may be answered before its body has arrived: without a token, with too large a body, after
too long. Such a connection cannot be used again, and is not left to the client either:

    answer, with `Connection: close`  →  read on for a moment  →  close

Reading on, because closing while bytes are on their way resets the connection, and a client that
still sends would then lose the answer.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, cast

import trio
from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPRequestEvent,
    HTTPScope,
)
from quart.typing import ResponseTypes
from quart.wrappers import Request
from quart_trio.asgi import TrioASGIHTTPConnection

from runnerhub.api.bodies import LargeBody
from runnerhub.api.stream import ClientStream
from runnerhub.model.webhook_signature import signature_of

if TYPE_CHECKING:
    from quart import Quart

# A body that is on its way already is awaited for this long, so that its connection lives on.
SETTLE_SECONDS = 0.25
# For this long an early answer's connection is read, and its bytes are thrown away.
LINGER_SECONDS = 1.0
# The target of a request whose own is no URL. Nothing is served there.
NOWHERE = "/none"
# Where a body may be large, if it can be signed.
LARGE_AT, SIGNATURE = "/api/webhooks/github", "X-Hub-Signature-256"


class Exchange(TrioASGIHTTPConnection):
    """Answer one request."""

    def __init__(self, app: "Quart", scope: HTTPScope) -> None:
        super().__init__(app, scope)
        self._body_ended = trio.Event()
        self._answered = False
        self._large: LargeBody | None = None

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer; the connection counts as busy meanwhile."""
        stream = self.scope.get("state", {}).get("stream")
        busy: AbstractContextManager[None] = nullcontext()
        if isinstance(stream, ClientStream):  # there is none where no server is
            busy = stream.answering()
        with busy:
            try:
                await super().__call__(receive, send)
            finally:
                if self._large is not None:
                    self._large.leave()

    def _create_request_from_scope(self, send: ASGISendCallable) -> Request:
        try:
            request = super()._create_request_from_scope(send)
        except ValueError:  # an absolute target that is no URL, such as http://[
            self.scope["path"] = NOWHERE
            request = super()._create_request_from_scope(send)
        if request.path == LARGE_AT and signature_of(request.headers.get(SIGNATURE)):
            request.body = self._large = LargeBody(
                request.content_length, self.app.config["LARGE_BODIES"]
            )
        return request

    async def handle_messages(  # type: ignore[override]
        self, nursery: trio.Nursery, request: Request, receive: ASGIReceiveCallable
    ) -> None:
        """Hand the body on; when the client goes before it is answered, stop answering."""
        while (message := await receive())["type"] != "http.disconnect":
            part = cast("HTTPRequestEvent", message)
            request.body.append(part["body"])
            if not part["more_body"]:
                request.body.set_complete()
                self._body_ended.set()
        if not self._answered:
            nursery.cancel_scope.cancel()
        # Else the server says so while it ends the exchange; it must not be cut in that.

    async def _send_response(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        await self._wait_for_the_body(SETTLE_SECONDS)
        if not self._body_ended.is_set() and self.scope["http_version"] != "2":
            response.headers["Connection"] = "close"
        await super()._send_response(partial(self._forward, send), response)

    async def _forward(self, send: ASGISendCallable, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            await self._wait_for_the_body(LINGER_SECONDS)
            self._answered = True
        await send(message)

    async def _wait_for_the_body(self, seconds: float) -> None:
        if not self._body_ended.is_set():
            with trio.move_on_after(seconds):
                await self._body_ended.wait()
