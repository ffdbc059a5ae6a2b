"""The strategies of the GitHub budget in a simulated hour that asks for three times of it.

Four nodes share one credential. Waits are those of the calls that were sent in the end, until they
were, those included that the reset let go; what was given up is counted apart.
"""

import argparse
from collections import defaultdict

import trio
from trio.testing import MockClock

from bench.budget_hour import BURST_BEGIN, BURST_SECONDS, Hour
from bench.lines import Panel, Points, draw_lines
from bench.measure import percentile
from bench.result import RESULTS, Better, Figure
from runnerhub.model.budget import BudgetStrategy, Priority

MINUTE = 60.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how large the budget is."""
    parser.add_argument("--limit", type=int, default=5000, help="calls an hour")
    parser.add_argument("--seed", type=int, default=7)


def run(options: argparse.Namespace) -> list[Figure]:
    """Run the hour by a mock clock under each strategy; draw a chart beside the result."""
    hours = {str(strategy): an_hour(strategy, options) for strategy in BudgetStrategy}
    if not options.no_save:
        print(f"drawn as {draw_lines(panels(hours), RESULTS / f'{options.name}.svg')}")
    return [figure for name, hour in hours.items() for figure in figures(name, hour)]


def an_hour(strategy: BudgetStrategy, options: argparse.Namespace) -> Hour:
    """Return the hour under a strategy when it is over."""

    async def main() -> Hour:
        hour = Hour(strategy, options.limit, options.seed)
        await hour.run()
        return hour

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def figures(name: str, hour: Hour) -> list[Figure]:
    """Return what the hour says of its strategy; a call is made if it was sent before the reset."""
    sent = [call for call in hour.calls if call.sent_at is not None]
    made = [call for call in sent if (call.sent_at or 0.0) < hour.reset_at]
    found = [Figure(f"made.{name}.all", len(made), "calls")]
    for priority in Priority:
        label = f"{name}.{priority.name.lower()}"
        asked = [call for call in hour.calls if call.priority is priority]
        waits = [call.waited for call in sent if call.priority is priority] or [0.0]
        found += [
            Figure(f"asked.{label}", len(asked), "calls"),
            Figure(f"made.{label}", sum(call.priority is priority for call in made), "calls"),
            Figure(
                f"given_up.{label}",
                sum(call.given_up_at is not None for call in asked),
                "calls",
                Better.LOWER,
            ),
            Figure(f"wait.{label}.p50", percentile(waits, 50), "s", Better.LOWER),
            Figure(f"wait.{label}.p99", percentile(waits, 99), "s", Better.LOWER),
            Figure(f"wait.{label}.max", max(waits), "s", Better.LOWER),
        ]
    which = [limit for _, limit in hour.github.violations]
    (secondary,) = hour.github.secondary.values()
    primary = which.count("primary")
    return [
        *found,
        Figure(f"remaining_at_reset.{name}", hour.remaining[-1][1], "calls"),
        Figure(f"violations.{name}.primary", primary, "calls", Better.LOWER, 0.0),
        Figure(f"violations.{name}.secondary", len(which) - primary, "calls", Better.LOWER, 0.0),
        Figure(f"most_in_flight.{name}", secondary.most_in_flight, "calls", Better.LOWER, 100.0),
        Figure(f"most_points.{name}", secondary.most_points, "points/min", Better.LOWER, 900.0),
    ]


def panels(hours: dict[str, Hour]) -> list[Panel]:
    """Return the charts: what remained, and how long DISPATCH waited."""
    burst = (BURST_BEGIN / MINUTE, (BURST_BEGIN + BURST_SECONDS) / MINUTE)
    remaining = {
        name: [(at / MINUTE, float(left)) for at, left in hour.remaining]
        for name, hour in hours.items()
    }
    waits = {name: longest_waits(hour) for name, hour in hours.items()}
    return [
        Panel("Calls that remain (shaded: a burst of DISPATCH)", "minutes", remaining, burst),
        Panel(
            "Longest wait of a DISPATCH call, by the minute of its asking (s)",
            "minutes",
            waits,
            burst,
        ),
    ]


def longest_waits(hour: Hour) -> Points:
    """Return for each minute how long a DISPATCH call waited at most, to be sent or given up."""
    longest: dict[int, float] = defaultdict(float)
    for call in hour.calls:
        if call.priority is Priority.DISPATCH:
            minute = int(call.asked_at // MINUTE)
            longest[minute] = max(longest[minute], call.waited)
    return sorted((float(minute), wait) for minute, wait in longest.items())
