"""Hours of small jobs: memory, actors, file descriptors and processor time as they go.

The slope of each is fitted over what follows the first fifth, in which caches and pools fill.
"""

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence

from bench.result import RESULTS, Better, Figure, with_goals
from bench.whole.client import Door, arrive
from bench.whole.hosts import a_fleet
from bench.whole.jobs import body
from bench.whole.node import WholeNode, a_whole_node

# An hour of 50 jobs a second has 180,000: 10 MB of them are 56 bytes each.
GOALS = {"soak.memory.slope": 10.0, "soak.actors.slope": 1.0, "soak.files.slope": 1.0}
SAMPLE_SECONDS = 5.0
SETTLE_SECONDS = 5.0
WARM_UP = 0.2

Sample = dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how long, and how many jobs a second."""
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--slots", type=int, default=10, help="of each host")
    parser.add_argument("--network", choices=("none", "isolated"), default="isolated")


def run(options: argparse.Namespace) -> list[Figure]:
    """Let jobs arrive at random times; write every sample beside the result."""
    samples: list[Sample] = []
    count = int(options.minutes * 60 * options.rate)
    bodies = [body(number, ["echo", "done"], network=options.network) for number in range(count)]
    with (
        a_fleet(options.hosts) as fleet,
        a_whole_node(fleet.arguments(options.slots)) as node,
    ):
        over = threading.Event()
        watcher = threading.Thread(target=_sample, args=(node, samples, over))
        watcher.start()
        began = time.perf_counter()
        try:
            arrive(Door(node.host, node.port, node.token), bodies, options.rate)
            node.until_finished(count, 600, every=1.0)
        finally:
            passed = time.perf_counter() - began
            over.set()
            watcher.join()
        time.sleep(SETTLE_SECONDS)
        left = fleet.containers()
    if not options.no_save:
        path = RESULTS / f"{options.name}-series.json"
        path.write_text(json.dumps({"every_seconds": SAMPLE_SECONDS, "samples": samples}) + "\n")
    figures = [
        Figure("soak.jobs", count, "jobs"),
        Figure("soak.rate", count / passed, "/s"),
        Figure("soak.left_behind", left, "containers", Better.LOWER, 0),
        *_slopes(samples),
    ]
    return with_goals(figures, GOALS)


def _sample(node: WholeNode, samples: list[Sample], over: threading.Event) -> None:
    began = time.monotonic()
    while not over.wait(SAMPLE_SECONDS):
        samples.append(
            {
                "at": time.monotonic() - began,
                "memory": node.resident() / 1e6,
                "actors": node.actors(),
                "files": node.files(),
                "cpu": node.cpu_seconds(),
                "load": os.getloadavg()[0],
            }
        )


def _slopes(samples: Sequence[Sample]) -> Iterator[Figure]:
    kept = samples[int(len(samples) * WARM_UP) :]
    hours = [sample["at"] / 3600 for sample in kept]
    for key, unit in (("memory", "MB"), ("actors", "actors"), ("files", "files")):
        values = [sample[key] for sample in kept]
        yield Figure(f"soak.{key}.first", values[0], unit)
        yield Figure(f"soak.{key}.last", values[-1], unit)
        yield Figure(f"soak.{key}.max", max(values), unit)
        slope = statistics.linear_regression(hours, values).slope
        yield Figure(f"soak.{key}.slope", slope, f"{unit} an hour", Better.LOWER)
    cores = (kept[-1]["cpu"] - kept[0]["cpu"]) / (kept[-1]["at"] - kept[0]["at"])
    yield Figure("soak.cpu.node", cores, "cores")
