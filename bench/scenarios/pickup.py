"""From a job queued at a simulated GitHub to its runner online, and each phase between.

Jobs arrive at random times, whatever becomes of those before. A webhook tells the node of each;
it registers a runner and starts it, on simulated hosts or, with --real, on a private engine.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trio

from bench.result import Figure
from bench.whole.engine import no_engine
from bench.whole.github import (
    LABEL,
    Watched,
    a_github,
    a_node_beside,
    hosts_of_runners,
    until_over,
)
from bench.whole.jobs import seconds_at, spread
from bench.whole.node import WholeNode
from runnerhub.sim.github.things import Job
from runnerhub.sim.runner.image import CHANGES, IMAGE, runner_root
from tests.parts.dockerd import Dockerd

PATIENCE = 120.0
WARM_UP = 2
MOST_RUNNERS = 10_000  # so that what waits, waits for a slot, and its runner is wanted at once
FAKE = 'CMD ["python3", "-m", "program", "--steps", "fake"]'
PHASES = {
    "hear": ("queued", "accepted"),
    "claim": ("accepted", "claimed"),
    "image": ("claimed", "image_ready"),
    "register": ("image_ready", "registered"),
    "create": ("registered", "created"),
    "start": ("created", "started"),
    "connect": ("started", "online"),
    "take": ("online", "in_progress"),
    "to_created": ("queued", "created"),
    "to_online": ("queued", "online"),
    "to_in_progress": ("queued", "in_progress"),
}
STEPS = ("accepted", "claimed", "image_ready", "created", "started")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the size of the load and of the fleet."""
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--rate", type=float, default=2.0, help="jobs a second")
    parser.add_argument("--run-ms", type=int, default=500, help="how long each job runs")
    parser.add_argument("--hosts", type=int, default=5, help="simulated ones")
    parser.add_argument("--slots", type=int, default=10, help="of each host")
    parser.add_argument("--latency", choices=("none", "measured"), default="measured")
    parser.add_argument("--real", action="store_true", help="also on a private Docker Engine")
    parser.add_argument("--real-rate", type=float, default=0.5, help="jobs a second, there")


def run(options: argparse.Namespace) -> list[Figure]:
    """Run jobs that pretend to work for a while."""
    figures = trio.run(_on_simulated, options)
    if options.real:
        if reason := no_engine():
            raise RuntimeError(f"no real engine: {reason}")
        # It is started by this thread: a child's death signal comes when its thread ends.
        with Dockerd(cable=True) as engine:
            engine.import_image(IMAGE, runner_root(), *CHANGES[:-1], FAKE)
            figures += trio.run(_on_real, options, engine)
    return figures


async def _on_simulated(options: argparse.Namespace) -> list[Figure]:
    measured = options.latency == "measured"
    with tempfile.TemporaryDirectory(prefix="rh-bench-p-") as folder:
        async with (
            a_github() as github,
            hosts_of_runners(
                github.sim, options.hosts, Path(folder), IMAGE, measured=measured
            ) as urls,
        ):
            return await _measure(github, urls, "sim", options.rate, options)


async def _on_real(options: argparse.Namespace, engine: Dockerd) -> list[Figure]:
    assert engine.network is not None
    assert engine.network.outside is not None
    async with a_github(engine.network.outside) as github:
        return await _measure(github, [engine.url], "real", options.real_rate, options)


async def _measure(
    github: Watched, urls: list[str], prefix: str, rate: float, options: argparse.Namespace
) -> list[Figure]:
    arguments: list[str] = []
    for number, url in enumerate(urls, 1):
        arguments += ["--docker-host", f"h{number}={url},slots={options.slots},label={LABEL}"]
    config = github.config(IMAGE, MOST_RUNNERS)
    async with a_node_beside(arguments, config) as node:
        github.tell(node)
        await until_over(await github.arrive(WARM_UP, rate, options.run_ms), PATIENCE)
        jobs = await github.arrive(options.jobs, rate, options.run_ms)
        await until_over(jobs, PATIENCE)
        runners = await trio.to_thread.run_sync(_by_runner, node)
    times = [_times(github, job, runners) for job in jobs]
    return list(_figures(prefix, times, len(runners) - WARM_UP))


def _figures(prefix: str, times: list[dict[str, float]], started: int) -> Iterator[Figure]:
    yield Figure(f"{prefix}.runners", started, "")
    for phase, (begin, end) in PHASES.items():
        yield from spread(f"{prefix}.{phase}", [(each[end] - each[begin]) * 1000 for each in times])


def _times(github: Watched, job: Job, runners: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return when a job, and the runner that took it, reached each step, in Unix seconds."""
    (name,) = job.takers
    assert job.started_at is not None
    runner = runners[name.rpartition("-")[2]]
    return {
        "queued": job.queued_at or job.created_at,
        **{step: seconds_at(runner, step) for step in STEPS},
        "registered": github.registered[name],
        "online": github.online[name],
        "in_progress": job.started_at,
    }


def _by_runner(node: WholeNode) -> dict[str, dict[str, Any]]:
    """Return the node's jobs by the sandbox that each had."""
    found = {}
    for job in node.jobs():
        answer = node.client.get(f"/api/jobs/{job['id']}/events").raise_for_status().json()
        for event in answer["events"]:
            if sandbox_id := event["data"].get("sandbox_id"):
                found[sandbox_id] = job
    return found
