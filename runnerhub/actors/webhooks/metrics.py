"""What is known of webhooks, for Prometheus. Read when scraped, never polled."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.actors.webhooks.statistics import Times

PREFIX = "runnerhub_webhook"


class WebhookCollector(Collector):
    """Deliveries by event, refusals, the backlog, times; and jobs found otherwise."""

    def __init__(self, desk: WebhookDesk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they stand."""
        seen, backlog = self._desk.statistics, self._desk.backlog
        yield _counter(
            f"{PREFIX}_deliveries", "Answered 2xx.", ("event", "result"), seen.deliveries
        )
        yield _counter(f"{PREFIX}_refused", "Answered otherwise.", ("why",), _keyed(seen.refused))
        yield _counter(f"{PREFIX}_worked", "Worked on.", ("event", "result"), seen.worked)
        yield CounterMetricFamily(
            f"{PREFIX}_requeued", "Given up, and tried again by hand.", seen.requeued
        )
        yield _counter(
            f"{PREFIX}_redelivered",
            "Asked for again at GitHub.",
            ("result",),
            _keyed(seen.redelivered),
        )
        yield _counter(
            "runnerhub_github_jobs_found",
            "Jobs that no delivery told of as they stand.",
            ("status",),
            _keyed(seen.found),
        )
        yield _times(f"{PREFIX}_answer_seconds", "From a request to its answer.", seen.answers)
        yield _times(f"{PREFIX}_lag_seconds", "From arrival to worked on.", seen.lags)
        for name, words, value in (
            ("waiting", "Deliveries that wait.", float(backlog.waiting)),
            ("dead", "Deliveries given up.", float(backlog.dead)),
            ("oldest_seconds", "How long the oldest has waited.", backlog.oldest_seconds),
        ):
            yield GaugeMetricFamily(f"{PREFIX}_{name}", words, value)


def _keyed(counts: Mapping[str, int]) -> Mapping[tuple[str], int]:
    return {(name,): count for name, count in counts.items()}


def _counter(name: str, words: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, words, labels=list(labels))
    for values, count in counts.items():
        family.add_metric(list(values), count)
    return family


def _times(name: str, words: str, times: Times) -> Metric:
    bounds = [*map(str, times.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(times.counts), strict=True))
    return HistogramMetricFamily(name, words, buckets=buckets, sum_value=times.seconds)
