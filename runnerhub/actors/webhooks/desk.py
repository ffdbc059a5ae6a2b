"""What the actors of the webhooks share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from runnerhub.actors.wakeups import Wakeups
from runnerhub.actors.webhooks.statistics import WebhookStatistics
from runnerhub.actors.world import World
from runnerhub.ports.deliveries import Backlog, Deliveries
from runnerhub.ports.github import Credential
from runnerhub.ports.github_events import GitHubApp
from runnerhub.ports.github_jobs import GitHubJobs
from runnerhub.runtime import Registry


@dataclass(slots=True)
class WebhookDesk:
    """The ports of the webhooks.

    Attributes:
        deliveries: set, with `jobs`, by the stores, which start before.
        app: asks GitHub as an App; None without a gateway.
        credentials: those that the gateway has.
        arrived: wakes the worker.
        backlog: as last seen.
        registry: of the tree; set when the intake starts.
    """

    world: World
    deliveries: Deliveries = field(init=False)
    jobs: GitHubJobs = field(init=False)
    app: GitHubApp | None = None
    credentials: Sequence[Credential] = ()
    arrived: Wakeups = field(default_factory=Wakeups)
    backlog: Backlog = field(default_factory=Backlog)
    statistics: WebhookStatistics = field(default_factory=WebhookStatistics)
    registry: Registry | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
