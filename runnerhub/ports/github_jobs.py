"""The port to GitHub's workflow jobs in the ledger. Every method is one transaction.

Every method may raise `LedgerUnavailable`; then nothing is known of its effect, and calling it
again is safe.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from runnerhub.model.webhook_job import WorkflowJob

# GitHub fails a job that nobody took for so long.
QUEUE_HOURS = 24
QUEUE_MAX = timedelta(hours=QUEUE_HOURS)


class GitHubJobs(Protocol):
    """Where each workflow job stands."""

    async def observe(self, told: Sequence[WorkflowJob]) -> Sequence[WorkflowJob]:
        """Write down what was told of jobs, in order; return those that changed, as they are now.

        A job only moves forward (`model.webhook_job.merge`). The same again changes nothing.
        """

    async def job(self, job_id: int) -> WorkflowJob | None:
        """Return a job by GitHub's id; None when it was never heard of."""

    async def queued_for(
        self, labels: Collection[str], *, limit: int = 100
    ) -> Sequence[WorkflowJob]:
        """Return jobs in queued that a runner with these labels may take, the oldest first.

        Each of the job's labels must be among them, in whatever case; a job without labels is
        nobody's. Jobs that GitHub made more than `QUEUE_MAX` ago are left out.
        """

    async def queued(self, after: int = 0, *, limit: int = 500) -> Sequence[WorkflowJob]:
        """Page through the jobs in queued by id, under the same bound of age."""

    async def with_runners(self, names: Collection[str]) -> Sequence[WorkflowJob]:
        """Return the jobs that GitHub gave to runners of these names, at most one each."""

    async def unheard(self, seconds: float, *, limit: int) -> Sequence[WorkflowJob]:
        """Return jobs that are not completed and were not heard of for so long."""

    async def heard(self, job_ids: Collection[int]) -> None:
        """Note that jobs were heard of just now, although nothing changed."""

    async def repositories(self, days: float, *, limit: int) -> Sequence[str]:
        """Return the repositories of jobs heard of in these days, the latest first."""

    async def known_runs(self, runs: Collection[int]) -> frozenset[int]:
        """Return those of these runs of which a job was heard."""

    async def counts(self) -> Mapping[str, int]:
        """Count jobs by status, the completed left out."""

    async def prune_jobs(self, *, keep_days: float) -> int:
        """Remove jobs not heard of for so long, at most some thousands; count them.

        Args:
            keep_days: at least 2, so that a delivery sent again starts no job a second time.
        """
