"""Ten thousand running jobs in one node: memory a job, the longest stall, the API meanwhile.

The jobs sleep on simulated hosts. The loop is watched from within while they all run: `held` is
processor time, so what neighbours of the machine take does not count; `late` is by the clock.
"""

import argparse
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator

from bench.load import Load, request, run_client
from bench.result import Better, Figure, with_goals
from bench.whole.client import Door, submit
from bench.whole.hosts import a_fleet
from bench.whole.jobs import body
from bench.whole.node import WholeNode, a_whole_node

GOALS = {"running.memory_per_job": 40.0, "running.held.max": 50.0, "running.status.p99": 100.0}
PATIENCE = 1800.0
SETTLE_SECONDS = 5.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how many jobs and hosts there are."""
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--network", choices=("none", "isolated"), default="none")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0, help="of looking, at each state")


def run(options: argparse.Namespace) -> list[Figure]:
    """Let all run, look at the node at rest, then while its states are read."""
    slots = -(-options.jobs // options.hosts)
    with (
        a_fleet(options.hosts) as fleet,
        a_whole_node(fleet.arguments(slots), watched=True) as node,
    ):
        time.sleep(SETTLE_SECONDS)
        idle, files = node.resident(), node.files()
        _forget(node)
        door = Door(node.host, node.port, node.token)
        began = time.perf_counter()
        jobs = (
            body(number, ["sleep", "86400"], network=options.network)
            for number in range(options.jobs)
        )
        refusals: list[float] = []
        ids = submit(door, jobs, refusals=refusals)
        node.until(lambda: node.actors("job") == options.jobs, PATIENCE, "all have an actor", 1.0)
        # A log may take the connection that an idle node keeps to each host.
        sure = files + options.jobs - options.hosts
        node.until(lambda: node.files() >= sure, PATIENCE, "all run", 1.0)
        passed = time.perf_counter() - began
        figures = [
            Figure("running.until_all_run", passed, "s", Better.LOWER),
            Figure("filling.refused", len(refusals), "times 503", Better.LOWER, 0),
            *_stalls("filling", node),
        ]
        time.sleep(SETTLE_SECONDS)
        figures += _at_rest(node, options, idle)
        figures += _while_asked(node, options, ids)
    return with_goals(figures, GOALS)


def _at_rest(node: WholeNode, options: argparse.Namespace, idle: int) -> Iterator[Figure]:
    node_cpu, began = node.cpu_seconds(), time.perf_counter()
    _forget(node)
    time.sleep(options.seconds)
    cores = (node.cpu_seconds() - node_cpu) / (time.perf_counter() - began)
    resident = node.resident()
    yield Figure("running.memory", resident / 1e6, "MB", Better.LOWER)
    each = (resident - idle) / options.jobs / 1000
    yield Figure("running.memory_per_job", each, "kB", Better.LOWER)
    yield Figure("running.files", node.files(), "", Better.LOWER)
    yield Figure("running.cpu", cores * 100, "% of a core", Better.LOWER)
    yield from _stalls("running", node)


def _while_asked(node: WholeNode, options: argparse.Namespace, ids: list[str]) -> Iterator[Figure]:
    reads = itertools.cycle(
        [request("GET", f"/api/jobs/{one}/status", token=node.token) for one in ids[::7]]
    )
    _forget(node)
    load = Load(node.host, node.port, reads)
    answers = run_client(load.run(options.clients, options.seconds))
    answers.expect(200)
    yield Figure("running.status.rate", answers.rate, "/s", Better.HIGHER)
    for percent in (50, 99, 100):
        name = "max" if percent == 100 else f"p{percent}"
        value = answers.milliseconds(percent)
        yield Figure(f"running.status.{name}", value, "ms", Better.LOWER)
    yield from _stalls("asked", node)


def _forget(node: WholeNode) -> None:
    os.kill(node.pid, signal.SIGUSR1)


def _stalls(name: str, node: WholeNode) -> Iterator[Figure]:
    time.sleep(1.5)  # it writes every second
    seen = json.loads(node.stalls.read_text())
    for key in ("held", "late", "collecting"):
        yield Figure(f"{name}.{key}.max", seen[key] * 1000, "ms", Better.LOWER)
    for key in ("held_over_50ms", "late_over_50ms"):
        yield Figure(f"{name}.{key}", seen[key], "times", Better.LOWER)
