"""What the gateway knows, for Prometheus. Read when scraped, never polled."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any

import trio
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from runnerhub.actors.github.counters import NodeCounters
from runnerhub.actors.github.desk import BucketState, Desk
from runnerhub.actors.github.statistics import WAIT_BOUNDS

PREFIX = "runnerhub_github"
MOST_BUCKETS = 64


_GAUGES: Mapping[str, tuple[str, Callable[[BucketState, float], float]]] = {
    "budget_limit": ("Calls in a window.", lambda state, _: state.standing.limit or 0),
    "budget_remaining": ("Calls left in it.", lambda state, _: state.standing.remaining),
    "budget_reset_seconds": ("Until it resets.", lambda state, _: state.standing.left),
    "budget_exhaustion_seconds": (
        "Until it is used up at the present rate; +Inf when that is after the reset.",
        lambda state, now: state.exhausted_in(now),
    ),
    "waiting": ("Requests that wait for a permit.", lambda state, _: state.waiting),
}


class GitHubCollector(Collector):
    """Budgets by bucket; requests, waits, repetitions and lookups. Scrape it from trio's thread.

    Args:
        desk: of the gateway.
        counters: this node's.
    """

    def __init__(self, desk: Desk, counters: NodeCounters) -> None:
        self._desk = desk
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they stand."""
        yield from self._budgets()
        yield GaugeMetricFamily(
            f"{PREFIX}_alone",
            "1 while the shared counters are away.",
            value=float(self._counters.alone),
        )
        statistics = self._desk.statistics
        yield _counter("requests", "Requests sent.", ("kind", "status"), statistics.requests)
        yield _counter(
            "retries",
            "Requests sent again.",
            ("why",),
            {(w,): n for w, n in statistics.retries.items()},
        )
        yield _counter(
            "cache_lookups", "Looks into the cache.", ("tier", "result"), statistics.lookups
        )
        yield self._ratios()
        yield _counter(
            "cache_revalidations",
            "Answers asked for with an ETag or anew.",
            ("result",),
            {(result,): n for result, n in statistics.revalidations.items()},
        )
        yield CounterMetricFamily(
            f"{PREFIX}_cache_news", "What other nodes told was stale.", value=statistics.news
        )
        waits = HistogramMetricFamily(
            f"{PREFIX}_wait_seconds", "From asking for a permit to having it.", labels=["priority"]
        )
        bounds = [*map(str, WAIT_BOUNDS), "+Inf"]
        for priority, counts in statistics.waits.items():
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            waits.add_metric([priority.name.lower()], buckets, statistics.waited[priority])
        yield waits

    def _ratios(self) -> Metric:
        ratios = GaugeMetricFamily(
            f"{PREFIX}_cache_hit_ratio", "Looks that found a fresh answer.", labels=["tier"]
        )
        looks: Counter[str] = Counter()
        for (tier, _), count in self._desk.statistics.lookups.items():
            looks[tier] += count
        for tier, count in looks.items():
            ratios.add_metric([tier], self._desk.statistics.lookups[tier, "hit"] / count)
        return ratios

    def _budgets(self) -> Iterator[Metric]:
        now = trio.current_time()
        shown = list(self._desk.buckets.values())[:MOST_BUCKETS]
        for name, (words, value) in _GAUGES.items():
            family = GaugeMetricFamily(f"{PREFIX}_{name}", words, labels=["credential", "resource"])
            for state in shown:
                if _is_limited(state) or name == "waiting":
                    bucket = state.bucket
                    family.add_metric([bucket.credential, bucket.resource], value(state, now))
            yield family


def _is_limited(state: BucketState) -> bool:
    return state.standing.limit is not None and state.standing.limit >= 0


def _counter(name: str, words: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", words, labels=list(labels))
    for values, count in counts.items():
        family.add_metric(list(values), count)
    return family
