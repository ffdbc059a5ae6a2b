"""The demo's GitHub: simulated, served within this process, with workflow jobs that it queues."""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from runnerhub.config import GitHubSettings, PoolSettings, ScaleSetSettings
from runnerhub.service.demo_figures import figures
from runnerhub.sim.github.orders import JobOrder, RunOrder, WorkflowOrder
from runnerhub.sim.github.serving import SimGitHub
from runnerhub.sim.github.things import COMPLETED, IN_PROGRESS, Job

REPOSITORY = "acme/web"
LABEL = "linux"  # of the pool whose runners are started by webhook
SCALE_SET = "linux-big"
BY_WEBHOOK = ("build", "test", "lint fail", "build", "test", "deploy hang")
BY_SCALE_SET = ("build", "test", "build")
EXPECTED = {"success": 7, "failure": 1, "cancelled": 1}
LISTENING_SECONDS = 20.0

# The names say what becomes of a job that is only pretended, too.
WORKFLOW = """
name: ci
on: push
jobs:
  build:
    runs-on: [LABELS]
    steps:
      - run: echo "compiling for run $GITHUB_RUN_ID of $GITHUB_REPOSITORY"; sleep 0.5
      - run: echo done
  test:
    runs-on: [LABELS]
    steps:
      - run: echo testing; sleep 1; echo 42 passed
  lint:
    name: lint fail
    runs-on: [LABELS]
    steps:
      - run: echo looking; exit 3
  deploy:
    name: deploy hang
    runs-on: [LABELS]
    steps:
      - run: echo waiting for ever; sleep 300
"""


@dataclass(slots=True)
class DemoGitHub:
    """A simulated GitHub, and what the demo asks of it.

    Attributes:
        image: of the runners.
        really: whether they run the workflow's steps, with `act`; else they pretend to.
        hosts: real or simulated: where the runners are.
    """

    sim: SimGitHub
    image: str
    really: bool
    hosts: str
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    _cancelled: set[int] = field(default_factory=set)

    def settings(self) -> dict[str, Any]:
        """Return what a node's settings say of it."""
        limits = {"memory_mb": 512, "pids": 256}
        return {
            "github": GitHubSettings(
                api_url=self.sim.url, token=self.sim.token, webhook_secrets=(self.secret,)
            ),
            "pools": (
                PoolSettings(
                    name="linux", labels=(LABEL,), image=self.image, scope="orgs/acme", **limits
                ),
                PoolSettings(name="big", labels=(SCALE_SET,), image=self.image, **limits),
            ),
            "scale_sets": (ScaleSetSettings(name=SCALE_SET, scope=REPOSITORY, pool="big"),),
        }

    async def queue_jobs(self, node_url: str) -> None:
        """Queue the workflow jobs, once the node listens to its scale set.

        Raises:
            trio.TooSlowError: it does not.
        """
        state = self.sim.state
        url = f"{node_url}/api/webhooks/github"
        state.hooks.add("org", "acme", url, secret=self.secret)
        with trio.fail_after(LISTENING_SECONDS):
            while not any(each.session for each in state.scale_sets.sets.values()):  # noqa: ASYNC110 - the simulation tells nobody
                await trio.sleep(0.05)
        for name in BY_WEBHOOK:
            self._queue(name, "self-hosted", LABEL)
        for name in BY_SCALE_SET:
            self._queue(name, SCALE_SET)

    def _queue(self, name: str, *labels: str) -> None:
        text = WORKFLOW.replace("LABELS", ", ".join(labels)) if self.really else ""
        self.sim.state.work.queue(
            RunOrder(
                repository=REPOSITORY,
                jobs=[JobOrder(name=name, labels=list(labels))],
                workflow=WorkflowOrder(path=f".github/workflows/{labels[-1]}.yml", text=text),
            )
        )

    def jobs(self) -> Sequence[Job]:
        """Return the workflow jobs."""
        return list(self.sim.state.work.jobs.values())

    def cancel_what_hangs(self) -> None:
        """Cancel, as a user of GitHub does, the job that would never end, once it runs."""
        for job in self.jobs():
            runs = job.status == IN_PROGRESS and job.started_at is not None
            if "hang" in job.name and runs and job.id not in self._cancelled:
                self._cancelled.add(job.id)
                self.sim.state.work.cancel_job(job)

    def are_completed(self) -> bool:
        """Tell whether all workflow jobs are completed."""
        return all(job.status == COMPLETED for job in self.jobs())

    def are_over(self) -> bool:
        """Tell whether, beside that, no runner is registered any more."""
        return self.are_completed() and not self.registered()

    def registered(self) -> int:
        """Return how many runners are registered."""
        return len(list(self.sim.state.fleet))

    def summary(self, runners: Sequence[Any]) -> dict[str, Any]:
        """Return what became of the workflow jobs, and of the RunnerHub jobs that were runners."""
        jobs = self.jobs()
        by = Counter("webhook" if job.scale_set_id is None else "scale_set" for job in jobs)
        picked_up = [(job.started_at - job.queued_at) * 1000 for job in jobs if job.started_at]
        return {
            "jobs": len(jobs),
            "by": dict(by),
            "conclusions": dict(Counter(job.conclusion or "none" for job in jobs)),
            "runners": dict(Counter(each["conclusion"] or "none" for each in runners)),
            "pickup": figures(picked_up),
            "log": self._log_of(jobs[0]) if jobs else [],
            "steps": "real" if self.really else "pretended",
            "hosts": self.hosts,
        }

    def _log_of(self, job: Job) -> list[str]:
        """Return what the runner of a job sent, less the time of each line."""
        return [line.partition("Z ")[2] for line in "".join(job.log).splitlines()]

    def is_well(self) -> bool:
        """Tell whether every workflow job ended as it should, by one runner."""
        jobs = self.jobs()
        conclusions = Counter(job.conclusion or "none" for job in jobs)
        return conclusions == EXPECTED and all(len(job.takers) == 1 for job in jobs)
