"""The actors of a tree as Prometheus metrics, by kind. Collected when scraped, not before."""

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from runnerhub.runtime.registry import Registry
from runnerhub.runtime.telemetry import BUCKETS

_BOUNDS = (*(str(bound) for bound in BUCKETS), "+Inf")


class ActorCollector(Collector):
    """Read the counters of a tree. Scrape it from the tree's own thread.

    Args:
        actors: the registry of the tree.
        prefix: what the names of the metrics begin with.
    """

    def __init__(self, actors: Registry, prefix: str = "runnerhub_actor") -> None:
        self._actors = actors
        self._prefix = prefix

    def collect(self) -> Iterator[Metric]:
        """Yield one family for each thing that is counted."""
        prefix, label = self._prefix, ["kind"]
        live = GaugeMetricFamily(f"{prefix}_live", "Living actors.", labels=label)
        depth = GaugeMetricFamily(f"{prefix}_mailbox_depth", "Messages that wait.", labels=label)
        restarts = CounterMetricFamily(f"{prefix}_restarts", "Restarts.", labels=label)
        messages = CounterMetricFamily(f"{prefix}_messages", "Messages handled.", labels=label)
        handling = HistogramMetricFamily(
            f"{prefix}_handling_seconds", "From a message's receipt to the next.", labels=label
        )
        telemetry = self._actors.telemetry
        waiting: Counter[str] = Counter()
        for ref in self._actors:
            waiting[telemetry.label(ref.kind)] += ref.statistics().depth
        for kind, counters in telemetry.kinds.items():
            live.add_metric([kind], counters.live)
            depth.add_metric([kind], waiting[kind])
            restarts.add_metric([kind], counters.restarts)
            messages.add_metric([kind], counters.messages)
            counts = zip(_BOUNDS, accumulate(counters.handling_buckets), strict=True)
            handling.add_metric([kind], list(counts), counters.handling_sum)
        yield from (live, depth, restarts, messages, handling)


def register_metrics(actors: Registry, into: CollectorRegistry) -> ActorCollector:
    """Make a tree's metrics part of a Prometheus registry."""
    collector = ActorCollector(actors)
    into.register(collector)
    return collector
