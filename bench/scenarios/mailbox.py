"""Tells and asks a second, against the best that trio itself gives, asyncio and pykka."""

import argparse
from collections.abc import Callable
from functools import partial
from types import ModuleType

from bench.measure import cpu_rate, in_turns, wall_rate
from bench.peers import (
    plain_asyncio,
    pykka_threads,
    runnerhub_runtime,
    trio_channel,
    trio_event,
    trio_task,
)
from bench.result import Better, Figure

OURS = "runnerhub"
TRIO = {"trio_channel": trio_channel, "trio_event": trio_event}  # what trio offers
FLOOR = "trio_task"  # less than anybody could use: what two turns of the scheduler take
PEERS = {
    OURS: runnerhub_runtime,
    **TRIO,
    FLOOR: trio_task,
    "asyncio": plain_asyncio,
    "pykka": pykka_threads,
}
ASKS_OF_BEST = 0.8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how much to measure."""
    parser.add_argument("--rounds", type=int, default=7, help="rounds; medians are reported")
    parser.add_argument("--count", type=int, default=40_000, help="messages a round and peer")
    parser.add_argument("--askers", type=int, nargs="+", default=[1, 16], help="askers at once")


def run(options: argparse.Namespace) -> list[Figure]:
    """Measure every peer once a round.

    Rates are per second of processor time; pykka's, which has threads that wait for each other,
    per second on the clock.
    """
    count = options.count
    figures = _measure("tell", options.rounds, count, lambda peer: partial(peer.tells, count))
    for askers in options.askers:
        figures += _measure(
            f"ask.{askers}",
            options.rounds,
            count // 2,
            lambda peer, askers=askers: partial(peer.asks, count // 2, askers),  # type: ignore[misc]
            goal=ASKS_OF_BEST,
        )
    return figures


def _measure(
    what: str,
    rounds: int,
    count: int,
    work: Callable[[ModuleType], Callable[[], object]],
    goal: float | None = None,
) -> list[Figure]:
    rates = in_turns(
        rounds,
        {
            name: partial(wall_rate if peer is pykka_threads else cpu_rate, count, work(peer))
            for name, peer in PEERS.items()
        },
    )
    best = max(rates[name] for name in TRIO)
    figures = [Figure(f"{what}.{name}", rate, "/s", Better.HIGHER) for name, rate in rates.items()]
    ours = rates[OURS]
    return [
        *figures,
        Figure(f"{what}.of_best_trio", ours / best, "ratio", Better.HIGHER, goal),
        Figure(f"{what}.of_floor", ours / rates[FLOOR], "ratio", Better.HIGHER),
    ]
