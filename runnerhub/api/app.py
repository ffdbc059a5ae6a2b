"""The web application: routes, and every error as a problem."""

from typing import TYPE_CHECKING

from quart import Response
from quart_trio import QuartTrio

from runnerhub.api.bodies import FREE_BYTES, Turns
from runnerhub.api.deliveries import deliveries
from runnerhub.api.exchange import Exchange, response
from runnerhub.api.github import github
from runnerhub.api.jobs import jobs
from runnerhub.api.operations import operations
from runnerhub.api.problems import reply_to
from runnerhub.api.webhooks import webhooks
from runnerhub.ports.hub import Hub

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from runnerhub.api.auth import Tokens
    from runnerhub.config import Settings
    from runnerhub.ports.github_events import WebhookDoor

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
    app.register_blueprint(jobs)
    app.register_blueprint(operations)
    app.register_blueprint(webhooks)
    app.register_blueprint(deliveries)
    app.register_blueprint(github)

    @app.errorhandler(Exception)
    async def refused(error: Exception) -> Response:
        return response(reply_to(error))

    return app
