"""One request in Quart: what it does otherwise here, and answers of ours in its words."""

from typing import TYPE_CHECKING, cast

from quart import Response, request
from quart_trio.asgi import TrioASGIHTTPConnection

from runnerhub.api.bodies import LargeBody
from runnerhub.model.webhook_signature import signature_of

if TYPE_CHECKING:
    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
    from quart import Quart
    from quart.wrappers import Request

    from runnerhub.api.replies import Reply

# The target of a request whose own is no URL. Nothing is served there.
NOWHERE = "/none"
# Where a body may be large, if it can be signed.
LARGE_AT, SIGNATURE = "/api/webhooks/github", "X-Hub-Signature-256"


class Exchange(TrioASGIHTTPConnection):
    """Answer one request."""

    def __init__(self, app: "Quart", scope: "HTTPScope") -> None:
        super().__init__(app, scope)
        self._large: LargeBody | None = None

    async def __call__(self, receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        """Answer."""
        try:
            await super().__call__(receive, send)
        finally:
            if self._large is not None:
                self._large.leave()

    def _create_request_from_scope(self, send: "ASGISendCallable") -> "Request":
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


class Asking:
    """The request that Quart is answering, as a hot route asks for it."""

    def header(self, name: str) -> str | None:
        """Return the first header of a name."""
        return request.headers.get(name)

    async def body(self) -> bytes:
        """Return the body. Raises what bounds it."""
        return cast("bytes", await request.get_data())


def response(reply: "Reply") -> Response:
    """Return an answer as Quart has it."""
    answer = Response(reply.body, reply.status, content_type=reply.content_type)
    answer.headers.extend(reply.headers)
    return answer
