"""What the sync counts, for Prometheus."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from runnerhub.actors.github.sync_desk import SyncDesk


class SyncCollector(Collector):
    """Looks made, by what they found. Scrape it from trio's thread.

    Args:
        desk: of the sync.
    """

    def __init__(self, desk: SyncDesk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """Yield the metric as it stands."""
        looks = CounterMetricFamily(
            "runnerhub_github_looks", "Lists looked at.", labels=["kind", "result"]
        )
        for (kind, result), count in self._desk.looks.items():
            looks.add_metric([kind, result], count)
        yield looks
