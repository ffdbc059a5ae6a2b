"""Calls to GitHub for each synced repository an hour, against a poller without ETags."""

import argparse
import statistics
from collections import Counter
from dataclasses import dataclass, field

import trio
from trio.testing import MockClock

from bench.github_sync import Kept, Traffic, naive, synced
from bench.result import Better, Figure, with_goals

HOUR = 3600.0
LATE = HOUR / 2  # so long a run may stay unseen before it counts as such
# What a call costs is the share of the budget that it takes: answers 304 take none.
GOALS = {"naive_of.webhooks": 100.0, "naive_of.polling": 30.0}


@dataclass
class Measured:
    """What one way of looking cost, and how late it saw what happened."""

    charged: float = 0.0
    requests: float = 0.0
    delays: list[float] = field(default_factory=list)
    unseen: int = 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how large GitHub is, and how busy."""
    parser.add_argument("--repositories", type=int, default=100)
    parser.add_argument("--busy", type=int, default=5, help="repositories with runs")
    parser.add_argument("--minutes", type=float, default=10.0, help="between two runs in each")
    parser.add_argument("--hours", type=float, default=2.0, help="that are measured, after one")


def run(options: argparse.Namespace) -> list[Figure]:
    """Sync by a mock clock: hours of GitHub's take seconds."""
    figures: list[Figure] = []
    found = {way: _measure(options, way) for way in ("naive", "polling", "webhooks")}
    for way, it in found.items():
        figures += [
            Figure(f"charged.{way}", it.charged, "calls/repository/h", Better.LOWER),
            Figure(f"requests.{way}", it.requests, "calls/repository/h", Better.LOWER),
            Figure(f"delay.{way}.p50", statistics.median(it.delays), "s", Better.LOWER),
            Figure(f"delay.{way}.max", max(it.delays), "s", Better.LOWER),
            Figure(f"unseen.{way}", it.unseen, "runs", Better.LOWER, 0.0),
        ]
    for way in ("polling", "webhooks"):
        for what in ("charged", "requests"):
            ratio = getattr(found["naive"], what) / max(getattr(found[way], what), 1e-9)
            name = f"naive_of.{way}" if what == "charged" else f"naive_of.{way}.requests"
            figures.append(Figure(name, ratio, "ratio", Better.HIGHER))
    return with_goals(figures, GOALS)


def _measure(options: argparse.Namespace, way: str) -> Measured:
    async def main() -> Measured:
        traffic = Traffic(options.repositories, options.busy, 60.0 * options.minutes)
        kept = Kept()
        looking = naive if way == "naive" else synced
        async with traffic.going(webhooks=way == "webhooks") as sim:
            calls: Counter[bool] = Counter()
            sim.site.watchers.append(lambda e: calls.update([e.answer.status == 304]))
            async with looking(sim, kept, traffic.hooks):
                await trio.sleep(HOUR)
                calls.clear()
                began = trio.current_time()
                await trio.sleep(options.hours * HOUR)
                share = options.repositories * options.hours
                due = traffic.completed(began - LATE, trio.current_time() - LATE)
        delays = [kept.seen[n] - at for n, at in due.items() if n in kept.seen]
        unseen = len(due) - len(delays)
        return Measured(calls[False] / share, calls.total() / share, delays or [0.0], unseen)

    return trio.run(main, clock=MockClock(autojump_threshold=0))
