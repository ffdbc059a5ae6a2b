"""Kill -9 with jobs running: seconds from the new process's start until all are driven again.

`adopted` is when the last job has an actor. That each is driven, and not only counted, is shown
by cancelling all of them: each must be concluded as cancelled, and nothing be left on the hosts.
The embedded PostgreSQL dies with the node, so its own recovery is part of the time.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator

from bench.load import run_client
from bench.result import Better, Figure, with_goals
from bench.whole.client import Client, Door, send_all, submit
from bench.whole.engine import a_real_engine, no_engine
from bench.whole.hosts import a_fleet
from bench.whole.jobs import body
from bench.whole.node import WholeNode, a_whole_node

GOALS = {"simulated.adopted": 5.0, "real.adopted": 5.0}
PATIENCE = 300.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how many jobs run."""
    parser.add_argument("--jobs", type=int, default=200, help="on simulated hosts")
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--real-jobs", type=int, default=30, help="on a real engine; 0 for none")
    parser.add_argument("--rounds", type=int, default=3)


def run(options: argparse.Namespace) -> list[Figure]:
    """Kill and start again, some times; the worst counts."""
    figures: list[Figure] = []
    slots = -(-options.jobs // options.hosts)
    with (
        a_fleet(options.hosts, "measured") as fleet,
        a_whole_node(fleet.arguments(slots)) as node,
    ):
        figures += _kill_and_count(
            "simulated", node, options.jobs, options.rounds, "busybox", fleet.containers
        )
    if options.real_jobs and not no_engine():
        with a_real_engine() as engine:
            host = ["--docker-host", f"real={engine.url},slots={options.real_jobs}"]
            image = engine.import_busybox()
            with a_whole_node(host) as node:
                figures += _kill_and_count(
                    "real",
                    node,
                    options.real_jobs,
                    options.rounds,
                    image,
                    lambda: len(engine.container_ids()),
                )
    return with_goals(figures, GOALS)


def _kill_and_count(
    name: str,
    node: WholeNode,
    jobs: int,
    rounds: int,
    image: str,
    containers: Callable[[], int],
) -> Iterator[Figure]:
    bodies = [body(number, ["sleep", "86400"], image=image) for number in range(jobs)]
    ids = submit(Door(node.host, node.port, node.token), bodies)

    def running() -> bool:
        phases = [str(job["phase"]) for job in node.jobs(status="in_progress")]
        return phases.count("running") == jobs

    node.until(running, PATIENCE, "all run", every=0.5)
    ready, first, last = [], [], []
    for _ in range(rounds):
        node.kill9()
        node.start()
        ready.append(time.time() - node.started_at)
        node.until(lambda: node.actors("job") == jobs, PATIENCE, "all adopted", every=0.05)
        adopted = node.logged("job_adopted")
        if len(adopted) != jobs or containers() != jobs:
            raise RuntimeError(f"{len(adopted)} adopted, {containers()} containers of {jobs}")
        first.append(min(adopted) - node.started_at)
        last.append(max(adopted) - node.started_at)
    yield Figure(f"{name}.jobs", jobs, "")
    yield Figure(f"{name}.ready", max(ready), "s", Better.LOWER)
    yield Figure(f"{name}.first_adopted", max(first), "s", Better.LOWER)
    yield Figure(f"{name}.adopted", max(last), "s", Better.LOWER)
    yield Figure(f"{name}.all_cancelled", _cancel_all(node, ids), "s", Better.LOWER)
    concluded = [job["conclusion"] for job in node.all_finished("b-", PATIENCE)]
    if concluded != ["cancelled"] * jobs or containers():
        raise RuntimeError(f"not all cancelled, or {containers()} left: {set(concluded)}")


def _cancel_all(node: WholeNode, ids: list[str]) -> float:
    async def cancel() -> None:
        client = Client(Door(node.host, node.port, node.token))
        async for answer in send_all(client, [f"/api/jobs/{one}/cancel" for one in ids]):
            if answer.status != 202:
                raise RuntimeError(f"not cancelled: {answer.status} {answer.body!r}")
        await client.close()
        await asyncio.sleep(0)

    began = time.perf_counter()
    run_client(cancel())
    node.until_finished(len(ids), PATIENCE, every=0.1)
    return time.perf_counter() - began
