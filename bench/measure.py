"""Rates and percentiles."""

import gc
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter, process_time


def cpu_rate(count: int, work: Callable[[], object]) -> float:
    """Return operations a second of processor time: neighbours take turns, not time.

    For work in one thread, which never waits, that is what an idle machine shows on the clock.
    """
    return _rate(count, work, process_time)


def wall_rate(count: int, work: Callable[[], object]) -> float:
    """Return operations a second on the clock, for work of several threads or processes."""
    return _rate(count, work, perf_counter)


def _rate(count: int, work: Callable[[], object], clock: Callable[[], float]) -> float:
    gc.collect()
    began = clock()
    work()
    return count / (clock() - began)


def in_turns(rounds: int, variants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Measure every variant once a round, and return the median of each."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, measure in variants.items():
            found[name].append(measure())
    return {name: statistics.median(values) for name, values in found.items()}


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the value that so many percent of all do not exceed."""
    ordered: Sequence[float] = sorted(values)
    if not ordered:
        raise ValueError("no percentile of nothing")
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
