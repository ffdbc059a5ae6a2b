"""Latencies as they were measured on a real engine, sampled by a seed.

A file of measurements, made by `bench/measure_engine.py`, holds for each method the quantiles of
its seconds, once with one call at a time and once with several. In between and beyond it is
taken to grow evenly with the number of calls under way: an engine's bottlenecks are queues.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import pairwise
from random import Random
from typing import Any

_SHIPPED = "docker-20.10.json"


class MeasuredLatency:
    """The latencies of one engine.

    Args:
        measured: what such a file holds.
        seed: of the samples; the same calls in the same order take the same time again.
    """

    def __init__(self, measured: Mapping[str, Any], seed: str) -> None:
        self._dice = Random(seed)  # noqa: S311 - it is to repeat
        self._quantiles: Sequence[float] = measured["quantiles"]
        self._seconds = {
            method: sorted((int(at_once), values) for at_once, values in table.items())
            for method, table in measured["seconds"].items()
        }

    def of(self, method: str, at_once: int) -> float:
        """Return how many seconds a call takes; 0 for a method that was not measured."""
        table = self._seconds.get(method)
        if table is None:
            return 0.0
        level = self._dice.random()
        if len(table) == 1:
            return self._at(level, table[0][1])
        # The two columns between which it lies; beyond the last, the last two go on.
        low, high = next(
            (pair for pair in pairwise(table) if at_once <= pair[1][0]), (table[-2], table[-1])
        )
        share = (at_once - low[0]) / (high[0] - low[0])
        first, second = self._at(level, low[1]), self._at(level, high[1])
        return max(0.0, first + (second - first) * share)

    def _at(self, level: float, values: Sequence[float]) -> float:
        """Return the value of a level between 0 and 1, between two quantiles on a line."""
        quantiles = self._quantiles
        right = min(bisect_right(quantiles, level), len(quantiles) - 1)
        low, high = quantiles[right - 1], quantiles[right]
        share = (level - low) / (high - low)
        return values[right - 1] + (values[right] - values[right - 1]) * share


def shipped_measurements() -> dict[str, Any]:
    """Return the measurements that come with the package."""
    text = (resources.files("runnerhub.sim") / "measured" / _SHIPPED).read_text()
    found: dict[str, Any] = json.loads(text)
    return found
