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
    """Count finished jobs by conclusion and reason, and the time they spent in each phase.

    Attributes:
        dead_letters: how many of them were given up.
        waiting: jobs that wait, in the whole cluster, when the keeper last looked.
        oldest_at: when the one that waits longest was accepted, in Unix seconds; None for none.
        dispatched_at: when the dispatcher last finished a round, in Unix seconds.
    """

    def __init__(self) -> None:
        self.dead_letters = 0
        self.waiting = 0
        self.oldest_at: float | None = None
        self.dispatched_at = 0.0
        self.finished: dict[tuple[str, str], int] = {}
        self.counts = {phase: [0] * (len(BOUNDS) + 1) for phase in PHASES}
        self.seconds = dict.fromkeys(PHASES, 0.0)

    def note(self, job: "Job") -> None:
        """Note a job that has finished."""
        key = (str(job.conclusion), str(job.reason))
        self.finished[key] = self.finished.get(key, 0) + 1
        self.dead_letters += job.dead_letter
        for phase, (begin, end) in PHASES.items():
            if begin in job.timestamps and end in job.timestamps:
                spent = (job.timestamps[end] - job.timestamps[begin]).total_seconds()
                bucket = next((i for i, bound in enumerate(BOUNDS) if spent <= bound), len(BOUNDS))
                self.counts[phase][bucket] += 1
                self.seconds[phase] += max(0.0, spent)


class WorldCollector(Collector):
    """Jobs by outcome, time by phase, the queue, the dispatcher, hosts."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they stand."""
        yield from self._jobs()
        yield from self._queue()
        yield from self._hosts()

    def _jobs(self) -> Iterator[Metric]:
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
        yield CounterMetricFamily(
            "runnerhub_dead_letters",
            "Jobs given up here after too many lost attempts.",
            self._world.statistics.dead_letters,
        )

    def _queue(self) -> Iterator[Metric]:
        seen = self._world.statistics
        yield GaugeMetricFamily(
            "runnerhub_jobs_waiting", "Jobs of the cluster that wait, as last seen.", seen.waiting
        )
        waited = 0.0
        if seen.oldest_at is not None:
            waited = max(0.0, self._world.now_ms() / 1000 - seen.oldest_at)
        yield GaugeMetricFamily(
            "runnerhub_queue_oldest_seconds", "How long the oldest of them has waited.", waited
        )
        yield GaugeMetricFamily(
            "runnerhub_dispatcher_last_round_timestamp_seconds",
            "When the dispatcher last looked for work and reached all it needs.",
            seen.dispatched_at,
        )

    def _hosts(self) -> Iterator[Metric]:
        slots = GaugeMetricFamily(
            "runnerhub_host_slots", "Slots by host.", labels=["host", "state"]
        )
        up = GaugeMetricFamily(
            "runnerhub_host_up", "1 where the host takes jobs from this node.", labels=["host"]
        )
        lost = GaugeMetricFamily(
            "runnerhub_host_lost", "1 where this node gave the host up for lost.", labels=["host"]
        )
        for host in self._world.hosts.values():
            slots.add_metric([host.name, "held"], len(host.held))
            slots.add_metric([host.name, "free"], host.view().free_slots)
            up.add_metric([host.name], float(host.trouble is None))
            lost.add_metric([host.name], float(host.lost))
        yield slots
        yield up
        yield lost
