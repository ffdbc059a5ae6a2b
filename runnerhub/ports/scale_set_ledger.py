"""The port to what listeners of scale sets keep in the ledger. Every method is one transaction.

Every method may raise `LedgerUnavailable`; calling it again is safe. A scale set goes by its name.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from runnerhub.model.runner import RunnerWish
from runnerhub.model.scale_set_job import ScaleSetJob
from runnerhub.model.webhook_job import WorkflowJob


class ScaleSetLedger(Protocol):
    """Jobs that scale sets were told of, their sessions, and the runners that they registered."""

    async def observe(self, scale_set: str, told: Sequence[ScaleSetJob]) -> Sequence[ScaleSetJob]:
        """Write down what was told, in order; return what changed, as it is now."""

    async def available(self, scale_set: str, *, limit: int) -> Sequence[int]:
        """Return requests that were offered and not decided, the oldest first."""

    async def settle(
        self, scale_set: str, acquired: Collection[int], passed: Collection[int]
    ) -> None:
        """Note which offers are ours and which are not; what has come further stays as it is."""

    async def jobs_of(self, scale_set: str, runners: Collection[str]) -> Sequence[WorkflowJob]:
        """Return the jobs that were given to runners of these names."""

    async def session(self, scale_set: str) -> str | None:
        """Return the id of the session that was opened last and is not known to be over."""

    async def note_session(self, scale_set: str, fence: int, session_id: str | None) -> None:
        """Note the session under the token of the lease. Raises StaleFence for a lesser token."""

    async def note_runner(self, name: str, wish: RunnerWish) -> None:
        """Note a name before a runner is registered under it."""

    async def forget_runner(self, name: str) -> None:
        """Forget a name under which no runner is left."""

    async def noted_runners(self, scope: str) -> Mapping[str, RunnerWish]:
        """Return the names at a scope, at most 10,000, each with its scope and its scale set."""

    async def prune(self, *, keep_days: float) -> int:
        """Remove jobs not heard of for so long, at most some thousands; count them."""
