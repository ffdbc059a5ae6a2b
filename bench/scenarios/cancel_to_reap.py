"""From a cancel to the container's end, less what the engine itself needs to kill and remove one.

Both are counted until the engine says `destroy` on its own event stream. By turns a job is
cancelled and a bare container with the same image, limits and kind of network is removed by force.
"""

import argparse
import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from bench.measure import percentile
from bench.result import Better, Figure, with_goals
from bench.whole.engine import RESOURCES, Bare, a_real_engine, no_engine
from bench.whole.hosts import a_fleet
from bench.whole.jobs import body, spread
from bench.whole.node import WholeNode, a_whole_node

GOALS = {"real.beyond_engine.p50": 100.0, "simulated.beyond_engine.p50": 100.0}
PATIENCE = 60.0
SLEEP = ["sleep", "86400"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how often."""
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--network", choices=("none", "isolated"), default="isolated")
    parser.add_argument("--simulated-only", action="store_true")


def run(options: argparse.Namespace) -> list[Figure]:
    """Measure on a simulated host with measured latencies, and on a real engine."""
    with (
        a_fleet(1, "measured") as fleet,
        a_whole_node(fleet.arguments(4)) as node,
        fleet.client() as one,
        fleet.client() as two,
    ):
        figures = list(_measure("simulated", node, one, two, "busybox", options))
    if not options.simulated_only and not no_engine():
        with a_real_engine() as engine:
            image = engine.import_busybox()
            host = ["--docker-host", f"real={engine.url},slots=4"]
            with a_whole_node(host) as node, engine.client() as one, engine.client() as two:
                figures += _measure("real", node, one, two, image, options)
    return with_goals(figures, GOALS)


def _measure(
    name: str,
    node: WholeNode,
    calls: httpx.Client,
    events: httpx.Client,
    image: str,
    options: argparse.Namespace,
) -> Iterator[Figure]:
    bare = Bare(calls, image, 1)
    cancelled: list[float] = []
    removed: list[float] = []
    with _destroyed(events) as ends:
        for number in range(options.rounds):
            job = body(number, SLEEP, image=image, network=options.network, resources=RESOURCES)
            cancelled.append(_cancel(node, job, ends))
            network = bare.network() if options.network == "isolated" else "none"
            container = bare.start(network, SLEEP)
            began = time.time()
            bare.remove(container)
            removed.append(ends.get(timeout=PATIENCE) - began)
            if network != "none":
                bare.remove_network(network)
    yield from spread(f"{name}.cancel_to_gone", [seconds * 1000 for seconds in cancelled])
    yield from spread(f"{name}.engine_alone", [seconds * 1000 for seconds in removed])
    for percent in (50, 95):
        beyond = (percentile(cancelled, percent) - percentile(removed, percent)) * 1000
        yield Figure(f"{name}.beyond_engine.p{percent}", beyond, "ms", Better.LOWER)


def _cancel(node: WholeNode, job: dict[str, object], ends: "queue.Queue[float]") -> float:
    """Cancel a job that runs; return the seconds until its container was gone."""
    answer = node.client.post("/api/jobs/delegate", json=job).raise_for_status()
    path = f"/api/jobs/{answer.json()['id']}"

    def phase() -> str:
        return str(node.client.get(path).raise_for_status().json()["phase"])

    node.until(lambda: phase() == "running", PATIENCE, "it runs", every=0.02)
    time.sleep(0.3)  # its log is followed by then, as that of any job that is cancelled later
    began = time.time()
    node.client.post(f"{path}/cancel").raise_for_status()
    gone = ends.get(timeout=PATIENCE) - began
    node.until(lambda: phase() == "finished", PATIENCE, "it is finished", every=0.02)
    return gone


@contextmanager
def _destroyed(client: httpx.Client) -> "Iterator[queue.Queue[float]]":
    """Tell when containers are gone, by the engine's clock, which is this machine's."""
    ends: queue.Queue[float] = queue.Queue()
    query = {"filters": json.dumps({"type": ["container"], "event": ["destroy"]})}
    listening = threading.Event()

    def listen() -> None:
        try:
            with client.stream("GET", "/events", params=query, timeout=None) as answer:
                listening.set()
                for line in answer.iter_lines():
                    if line:
                        ends.put(json.loads(line)["timeNano"] / 1e9)
        except (httpx.HTTPError, OSError, ValueError):
            return  # closed, at the end

    threading.Thread(target=listen, daemon=True).start()
    if not listening.wait(PATIENCE):
        raise RuntimeError("the engine tells no events")
    yield ends
