"""What is known of scale sets, for Prometheus. Read when scraped, never polled."""

from collections.abc import Callable, Iterator, Mapping

import trio
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from runnerhub.actors.github.scale_set_desk import ScaleSetDesk, ScaleSetState

PREFIX = "runnerhub_scale_set"
MOST_SHOWN = 64

_Read = Callable[[ScaleSetState], float]

_GAUGES: Mapping[str, tuple[str, _Read]] = {
    "listening": ("1 while this node has a session.", lambda state: state.listening),
    "assigned_jobs": (
        "Jobs that GitHub assigned, running ones too.",
        lambda state: state.statistics.assigned_jobs if state.statistics else 0,
    ),
    "running_jobs": (
        "Jobs that run, as GitHub counts.",
        lambda state: state.statistics.running_jobs if state.statistics else 0,
    ),
    "desired_runners": ("Runners that are wanted.", lambda state: state.desired),
    "runners": ("Runners that have a job, or may get one.", lambda state: state.runners),
    "capacity": ("Jobs that can be taken in all.", lambda state: state.capacity),
    "message_age_seconds": (
        "How old the newest event of the last message was when it was read.",
        lambda state: state.message_age,
    ),
    "heard_seconds": (
        "Since the service last answered a poll.",
        lambda state: trio.current_time() - state.heard_at if state.heard_at is not None else 0.0,
    ),
}
_COUNTERS: Mapping[str, tuple[str, _Read]] = {
    "messages": ("Messages that were acknowledged.", lambda state: state.messages),
    "unreadable": ("Parts of messages that said nothing known.", lambda state: state.unreadable),
    "acquired_jobs": ("Jobs that were acquired.", lambda state: state.acquired),
    "sessions_lost": ("Sessions that ended unasked.", lambda state: state.sessions_lost),
    "session_conflicts": ("Openings refused for another's.", lambda state: state.conflicts),
}


class ScaleSetCollector(Collector):
    """One label, the name of a configured scale set. Scrape it from trio's thread."""

    def __init__(self, desk: ScaleSetDesk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they stand."""
        shown = list(self._desk.states.items())[:MOST_SHOWN]
        for name, (words, read) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"{PREFIX}_{name}", words, labels=["scale_set"])
            for scale_set, state in shown:
                gauge.add_metric([scale_set], float(read(state)))
            yield gauge
        for name, (words, read) in _COUNTERS.items():
            counter = CounterMetricFamily(f"{PREFIX}_{name}", words, labels=["scale_set"])
            for scale_set, state in shown:
                counter.add_metric([scale_set], float(read(state)))
            yield counter
