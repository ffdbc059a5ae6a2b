"""What becomes of GitHub's events: the effects, and the door that they come in by."""

from collections.abc import Sequence
from typing import Protocol

from runnerhub.model.webhook import Action
from runnerhub.model.webhook_job import WorkflowJob
from runnerhub.ports.deliveries import Delivery, DeliveryPage, DeliveryState, KeptDelivery
from runnerhub.ports.github import Credential, Request, Response


class GitHubEvents(Protocol):
    """The effects of events. Each is idempotent: doing it again changes nothing."""

    async def workflow_jobs_changed(self, told: Sequence[WorkflowJob]) -> Sequence[WorkflowJob]:
        """Take note of what was told of workflow jobs, in order; return those that changed.

        Raises:
            LedgerUnavailable: nothing is known of the effect.
        """

    async def keep_current(self, asks: Sequence[Action]) -> None:
        """Let what is shown of GitHub follow what deliveries told of.

        Raises:
            LedgerUnavailable: nothing is known of the effect.
        """

    async def drop_cache(self, tags: Sequence[str]) -> None:
        """Make stale what the cache holds under these tags. It raises nothing."""


class WebhookDoor(Protocol):
    """Where the API brings deliveries."""

    async def receive(self, delivery: Delivery) -> bool:
        """Make a delivery durable; tell whether it is new. Cancelling it may still have done so.

        Raises:
            Overloaded: too many wait, or the ledger did not answer in time.
            LedgerUnavailable: the ledger is away.
        """

    async def page(
        self, state: DeliveryState | None, *, cursor: str | None, limit: int
    ) -> DeliveryPage:
        """List deliveries, newest first. Raises ValueError, Overloaded, LedgerUnavailable."""

    async def requeue(self, seq: int, by: str) -> KeptDelivery | None:
        """Have a dead delivery tried again now; None when none is. Raises as `page`."""

    def ignored(self, event: str) -> None:
        """Count a delivery that asks nothing of us."""

    def refused(self, why: str) -> None:
        """Count a request that was refused."""

    def answered(self, seconds: float) -> None:
        """Note how long a delivery waited for its answer."""


class GitHubApp(Protocol):
    """Ask GitHub as an App itself, not as one of its installations."""

    async def call_as_app(self, request: Request, credential: Credential) -> Response:
        """Make a request signed by the App. Raises as `GitHub.call`."""
