"""The web application: routes, and every error as a problem."""

from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from quart import Response
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from runnerhub.api.bodies import FREE_BYTES, Turns
from runnerhub.api.exchange import Exchange
from runnerhub.api.jobs import jobs
from runnerhub.api.operations import operations
from runnerhub.api.problems import Problem, busy
from runnerhub.api.reading import sound_framing
from runnerhub.api.webhooks import webhooks
from runnerhub.ports.errors import Unavailable
from runnerhub.ports.hub import Hub, Overloaded

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from runnerhub.api.auth import Tokens
    from runnerhub.config import Settings
    from runnerhub.ports.github_events import WebhookDoor

log = structlog.get_logger(__name__)

BODY_SECONDS = 10


class Api(QuartTrio):
    """The application's class: each request is an `Exchange`."""

    asgi_http_class = Exchange


def create_app(
    hub: Hub,
    settings: "Settings",
    tokens: "Tokens",
    metrics: "CollectorRegistry",
    door: "WebhookDoor | None" = None,
) -> QuartTrio:
    """Build the application over the core.

    Args:
        hub: the core.
        settings: the node's.
        tokens: verify what callers bring.
        metrics: what is served to Prometheus.
        door: takes GitHub's webhooks; None where GitHub is not configured.
    """
    app = Api("runnerhub.api")
    app.config.update(
        HUB=hub,
        SETTINGS=settings,
        TOKENS=tokens,
        METRICS=metrics,
        WEBHOOKS=door,
        LARGE_BODIES=Turns(),
        MAX_CONTENT_LENGTH=FREE_BYTES,
        BODY_TIMEOUT=BODY_SECONDS,
        RESPONSE_TIMEOUT=60,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.before_request(sound_framing)
    app.register_blueprint(jobs)
    app.register_blueprint(operations)
    app.register_blueprint(webhooks)

    @app.errorhandler(Problem)
    async def problem(error: Problem) -> Response:
        return error.response()

    @app.errorhandler(Overloaded)
    async def overloaded(error: Overloaded) -> Response:
        return busy(str(error), error.retry_after_seconds).response()

    @app.errorhandler(Unavailable)
    async def unavailable(error: Unavailable) -> Response:
        return busy(str(error), 2).response()

    @app.errorhandler(HTTPException)
    async def http(error: HTTPException) -> Response:
        code = HTTPStatus(error.code or 500)
        answer = Problem(code, error.description or code.phrase).response()
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return answer

    @app.errorhandler(Exception)
    async def unexpected(error: Exception) -> Response:
        log.error("request failed", action="request_failed", exc_info=error)
        words = "RunnerHub made a mistake; its log says which"
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, words).response()

    return app
