"""Jobs a second from the API to an empty host, over simulated hosts on the wire, and each phase.

All jobs are delegated as fast as 16 clients can, so the rate includes accepting them. Then others
arrive at random times at half that rate, or at --rate: what a node does that is not overrun.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from bench.node import cpu_seconds
from bench.result import RESULTS, Better, Figure, with_goals
from bench.whole.client import Door, arrive, submit
from bench.whole.hosts import Fleet, a_fleet
from bench.whole.jobs import (
    between,
    body,
    expect_success,
    phase_figures,
    seconds_at,
    spread,
)
from bench.whole.node import WholeNode, a_whole_node
from bench.whole.profile import profiled

GOALS = {"dispatch.rate": 300.0, "half.queue_to_create.p99": 50.0}
PATIENCE = 600.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the size of the load and of the fleet."""
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--slots", type=int, default=10, help="of each host")
    parser.add_argument("--network", choices=("none", "isolated"), default="isolated")
    parser.add_argument("--latency", choices=("none", "measured"), default="none")
    parser.add_argument("--rate", type=float, help="of the arrivals; else half of what was reached")
    parser.add_argument("--seconds", type=float, default=20.0, help="of arrivals")
    parser.add_argument(
        "--profile", action="store_true", help="where the node's time goes (py-spy)"
    )


def run(options: argparse.Namespace) -> list[Figure]:
    """Run jobs that echo a word and end."""
    profile = RESULTS / f"{options.name}-profile" if options.profile else None
    with (
        a_fleet(options.hosts, options.latency) as fleet,
        a_whole_node(fleet.arguments(options.slots)) as node,
    ):
        _burst(node, options, 200, "warm-up")
        figures = list(_overrun(node, fleet, options, profile))
        rate = options.rate or figures[0].value / 2
        figures += _half(node, options, rate)
    return with_goals(figures, GOALS)


def _burst(node: WholeNode, options: argparse.Namespace, count: int, prefix: str) -> int:
    """Run so many jobs; return how often one was refused for a while."""
    before, refusals = node.finished(), list[float]()
    bodies = [_job(f"{prefix}-{number}", options) for number in range(count)]
    submit(Door(node.host, node.port, node.token), bodies, refusals=refusals)
    node.until_finished(before + count, PATIENCE)
    return len(refusals)


def _overrun(
    node: WholeNode, fleet: Fleet, options: argparse.Namespace, profile: Path | None
) -> Iterator[Figure]:
    counted, adopted = node.finished(), len(node.logged("job_adopted"))
    before = _used(node, fleet)
    began = time.perf_counter()
    with profiled(node.pid, profile):
        refused = _burst(node, options, options.jobs, "burst")
    passed = time.perf_counter() - began
    after = _used(node, fleet)
    jobs = node.all_finished("b-burst-", PATIENCE)
    expect_success(jobs)
    accepted = sorted(seconds_at(job, "accepted") for job in jobs)
    reaped = sorted(seconds_at(job, "reaped") for job in jobs)
    yield Figure("dispatch.rate", len(jobs) / (reaped[-1] - accepted[0]), "/s", Better.HIGHER)
    rest = [at for at in reaped if at > accepted[-1]]
    if len(rest) > len(jobs) / 10:
        rate = len(rest) / (reaped[-1] - accepted[-1])
        yield Figure("dispatch.rate.all_accepted", rate, "/s", Better.HIGHER)
    adopted = len(node.logged("job_adopted")) - adopted
    twice = node.finished() - counted - len(jobs)
    yield Figure("dispatch.refused", refused, "times 503", Better.LOWER, 0)
    yield Figure("dispatch.adopted", adopted, "new jobs", Better.LOWER, 0)
    yield Figure("dispatch.counted_twice", twice, "jobs", Better.LOWER, 0)
    for who, old in before.items():
        used = after[who] - old
        yield Figure(f"cpu_per_job.{who}", used / len(jobs) * 1000, "ms", Better.LOWER)
        yield Figure(f"cpu.{who}", used / passed, "cores")
    yield from phase_figures("burst", jobs)


def _used(node: WholeNode, fleet: Fleet) -> dict[str, float]:
    """Return the processor time of all that share the machine, ourselves included."""
    return {
        "node": node.cpu_seconds(),
        "servers": node.servers_cpu_seconds(),
        "hosts": cpu_seconds(fleet.pid),
        "client": time.process_time(),
    }


def _half(node: WholeNode, options: argparse.Namespace, rate: float) -> Iterator[Figure]:
    count = max(20, int(rate * options.seconds))
    before = node.finished()
    busy, began = node.cpu_seconds(), time.perf_counter()
    bodies = [_job(f"half-{number}", options) for number in range(count)]
    answers = arrive(Door(node.host, node.port, node.token), bodies, rate)
    node.until_finished(before + count, PATIENCE)
    cores = (node.cpu_seconds() - busy) / (time.perf_counter() - began)
    jobs = node.all_finished("b-half-", PATIENCE)
    expect_success(jobs)
    yield Figure("half.rate", rate, "/s")
    yield Figure("half.cpu.node", cores, "cores")
    yield from spread("half.queue_to_create", between(jobs, "accepted", "created"))
    yield from spread("half.claim_to_create", between(jobs, "claimed", "created"))
    yield from spread("half.accept", [seconds * 1000 for seconds in answers])
    yield from phase_figures("half", jobs)


def _job(number: str, options: argparse.Namespace) -> dict[str, object]:
    return body(number, ["echo", "done"], network=options.network)
