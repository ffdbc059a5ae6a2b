"""What the circles have in common: GitHub, a cluster that serves it, and nodes before both.

RUNNERHUB_SEED=17           replays one, by webhook (test_circle) or scale set (test_scale_sets)
RUNNERHUB_SEEDS=8           tries so many, from that one or from 1
RUNNERHUB_CIRCLE_JOBS=500   that many jobs, instead of 100
"""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import trio

from runnerhub.actors.github.desk import Desk, GitHubOptions
from runnerhub.actors.github.family import GitHubFamily, build_github
from runnerhub.actors.world import World
from runnerhub.adapters.github import HttpTransport
from runnerhub.ports.github import Credential
from runnerhub.sim.counters import MemoryCounters
from runnerhub.sim.github.serving import SimGitHub
from runnerhub.sim.github.things import Job
from runnerhub.sim.webhooks import MemoryGitHubJobs
from tests.simulation.cluster import Cluster

JOBS = int(os.environ.get("RUNNERHUB_CIRCLE_JOBS", "100"))
CANCELLED = min(30, JOBS // 3)  # at random moments
FIRST = int(os.environ.get("RUNNERHUB_SEED", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("RUNNERHUB_SEEDS", "1")))


async def until(condition: Callable[[], object], within: float = 120.0) -> None:
    """Wait until it holds.

    Raises:
        trio.TooSlowError: it did not within so many seconds.
    """
    with trio.fail_after(within):
        while not condition():
            await trio.sleep(0.05)


class Ring:
    """What outlives a node's life.

    Args:
        github: has the repository acme/web.
        seed: of the test's own choices.
    """

    def __init__(
        self, github: SimGitHub, cluster: Cluster, credential: Credential, seed: int
    ) -> None:
        self.github = github
        self.cluster = cluster
        self.credential = credential
        self.counters = MemoryCounters()
        self.github_jobs = MemoryGitHubJobs(self.clock)
        self.rng = random.Random(seed)  # noqa: S311 - what a test chooses
        cluster.ledger._clock = self.clock

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.github.state.core.now(), UTC)

    async def new_world(self, name: str) -> tuple[World, GitHubFamily]:
        """Return the world of a new life of a node, and its way to GitHub."""
        desk = Desk(
            GitHubOptions(name, credentials=(self.credential,)), wall=self.github.state.core.now
        )
        desk.transport = HttpTransport(self.github.url, transport=self.github.transport)
        desk.counters = self.counters
        family = build_github(desk)
        world = await self.cluster.new_world()
        world.settings = replace(world.settings, node_id=name)
        world.now_ms = lambda: int(self.github.state.core.now() * 1000)
        world.github, world.github_jobs = family.gateway, self.github_jobs
        return world, family

    def jobs(self) -> list[Job]:
        """Return every workflow job at GitHub."""
        return list(self.github.state.work.jobs.values())

    def are_completed_once(self) -> bool:
        """Tell whether each was run by one runner; one that was cancelled may be by none."""
        return all(
            job.status == "completed"
            and len(job.takers) in ({0, 1} if job.conclusion == "cancelled" else {1})
            for job in self.jobs()
        )

    def cancel(self, job: int) -> None:
        """Cancel a workflow job as a user of GitHub does, unless it is over."""
        work = self.github.state.work
        work.cancel_job(work.jobs[job])

    def struck(self) -> set[str]:
        """Return the kinds of faults that did strike."""
        return set(self.github.state.core.faults.struck)

    def runners(self) -> list[str]:
        """Return the names of all runners that GitHub knows."""
        return [runner.name for runner in self.github.state.fleet]

    async def runners_started(self) -> int:
        """Count the jobs of ours that became, or were to become, runners."""
        page = await self.cluster.ledger.jobs(limit=1000)
        return sum(job.spec.execution.runner is not None for job in page.jobs)

    async def until_completed(self, within: float = 3600.0) -> None:
        """Wait until every workflow job is completed, and every sandbox and runner is gone."""
        with trio.move_on_after(within):
            while any(job.status != "completed" for job in self.jobs()):
                await trio.sleep(1)
            while self.runners() or any(await self.cluster.ledger.open_runners()):
                await trio.sleep(1)
            return
        waiting = [(j.id, j.status, j.runner_name) for j in self.jobs() if j.status != "completed"]
        raise AssertionError(f"not within {within} s: {waiting[:9]} {self.runners()[:9]}")
