"""What the actors know of jobs and hosts, for Prometheus. Read when scraped, never polled."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from runnerhub.actors.world import World
    from runnerhub.model.job import Job

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
PHASES = {
    "queued": ("accepted", "claimed"),
    "image": ("placed", "image_ready"),
    "create": ("image_ready", "created"),
    "start": ("created", "started"),
    "run": ("started", "exited"),
    "reap": ("exited", "reaped"),
}


class JobStatistics:
    """Count finished jobs by conclusion and reason, and the time they spent in each phase."""

    def __init__(self) -> None:
        self.finished: dict[tuple[str, str], int] = {}
        self.counts = {phase: [0] * (len(BOUNDS) + 1) for phase in PHASES}
        self.seconds = dict.fromkeys(PHASES, 0.0)

    def note(self, job: "Job") -> None:
        """Note a job that has finished."""
        key = (str(job.conclusion), str(job.reason))
        self.finished[key] = self.finished.get(key, 0) + 1
        for phase, (begin, end) in PHASES.items():
            if begin in job.timestamps and end in job.timestamps:
                spent = (job.timestamps[end] - job.timestamps[begin]).total_seconds()
                bucket = next((i for i, bound in enumerate(BOUNDS) if spent <= bound), len(BOUNDS))
                self.counts[phase][bucket] += 1
                self.seconds[phase] += max(0.0, spent)


class WorldCollector(Collector):
    """Jobs by outcome, time by phase, slots by host."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they stand."""
        finished = CounterMetricFamily(
            "runnerhub_jobs_finished", "Jobs finished here.", labels=["conclusion", "reason"]
        )
        for labels, count in self._world.statistics.finished.items():
            finished.add_metric(labels, count)
        yield finished
        phases = HistogramMetricFamily(
            "runnerhub_job_phase_seconds", "Time of finished jobs by phase.", labels=["phase"]
        )
        for phase, counts in self._world.statistics.counts.items():
            total, buckets = 0, []
            for bound, count in zip([*map(str, BOUNDS), "+Inf"], counts, strict=True):
                total += count
                buckets.append((bound, total))
            phases.add_metric([phase], buckets, self._world.statistics.seconds[phase])
        yield phases
        slots = GaugeMetricFamily(
            "runnerhub_host_slots", "Slots by host.", labels=["host", "state"]
        )
        up = GaugeMetricFamily(
            "runnerhub_host_up", "1 where the host takes jobs from this node.", labels=["host"]
        )
        for host in self._world.hosts.values():
            slots.add_metric([host.name, "held"], len(host.held))
            slots.add_metric([host.name, "free"], host.view().free_slots)
            up.add_metric([host.name], float(host.trouble is None))
        yield slots
        yield up
