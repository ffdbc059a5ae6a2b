"""A job: what was asked for, what became of it, and which steps its life may take.

    QUEUED ─▶ LEASED ─▶ PROVISIONING ─▶ RUNNING ─▶ REAPING ─▶ FINISHED
       ▲         │            │            │
       └─────────┴────────────┴────────────┘   a new attempt: the host, not the job, failed

`status` and `conclusion` are what GitHub knows; `phase` is what we know. A conclusion is written
exactly once, on the way into REAPING (or straight into FINISHED where nothing was created).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from runnerhub.model.runner import RunnerWish


class Phase(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    LEASED = "leased"
    PROVISIONING = "provisioning"
    RUNNING = "running"
    REAPING = "reaping"
    FINISHED = "finished"


class Status(StrEnum):
    """GitHub's word for where a job stands."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class Conclusion(StrEnum):
    """How a job ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class Reason(StrEnum):
    """Why a job ended so, or why an attempt was given up."""

    COMPLETED = "completed"  # exit code 0
    EXIT_CODE = "exit_code"
    OUT_OF_MEMORY = "out_of_memory"
    DISK_FULL = "disk_full"
    IMAGE_UNAVAILABLE = "image_unavailable"
    START_FAILED = "start_failed"
    GITHUB_UNAVAILABLE = "github_unavailable"  # no answer, or no budget, to register it
    RUNNER_REFUSED = "runner_refused"  # GitHub does not let it register
    SERVICE_NOT_READY = "service_not_ready"
    HOST_LOST = "host_lost"
    ENGINE_RESTART = "engine_restart"
    SANDBOX_LOST = "sandbox_lost"
    QUEUE_EXPIRED = "queue_expired"
    TIMEOUT = "timeout"
    CANCELLED_BY_USER = "cancelled_by_user"
    SHUTDOWN = "shutdown"
    NOT_NEEDED = "not_needed"  # a runner for which there was no job
    INTERNAL_ERROR = "internal_error"


TRANSITIONS: Mapping[Phase, Mapping[Phase, str]] = {
    Phase.QUEUED: {
        Phase.LEASED: "a node with a free slot took it",
        Phase.FINISHED: "cancelled, or expired, before anything was created",
    },
    Phase.LEASED: {
        Phase.PROVISIONING: "its names are durable, so creating may begin",
        Phase.RUNNING: "it started so soon that provisioning was not worth a word",
        Phase.QUEUED: "given back: the node handed over or the host went away",
        Phase.REAPING: "cancelled: something may exist that its owner has not seen yet",
    },
    Phase.PROVISIONING: {
        Phase.RUNNING: "the main container has started",
        Phase.QUEUED: "the host, not the job, is at fault: another attempt",
        Phase.REAPING: "concluded without ever running: cancelled, bad image, dead letter",
    },
    Phase.RUNNING: {
        Phase.REAPING: "its conclusion and its log are durable",
        Phase.QUEUED: "host lost or engine restarted: not the job's failure",
    },
    # There is no way back from REAPING: the conclusion stands whatever happens to the sandbox.
    Phase.REAPING: {Phase.FINISHED: "the engine confirmed that nothing is left"},
    Phase.FINISHED: {},
}

ACTIVE = frozenset({Phase.LEASED, Phase.PROVISIONING, Phase.RUNNING, Phase.REAPING})


def status_of(phase: Phase) -> Status:
    """Return GitHub's status for a phase. Total."""
    match phase:
        case Phase.QUEUED:
            return Status.QUEUED
        case Phase.LEASED | Phase.PROVISIONING | Phase.RUNNING:
            return Status.IN_PROGRESS
        case Phase.REAPING | Phase.FINISHED:
            return Status.COMPLETED


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of a sandbox; None is the host's default.

    Attributes:
        cpus: cores, fractions allowed.
        memory_mb: MiB, with no swap on top.
        pids: processes and threads.
        disk_mb: MiB of the writable layer, where the storage driver can limit it.
        tmpfs_mb: MiB of /tmp in memory.
    """

    cpus: float | None = None
    memory_mb: int | None = None
    pids: int | None = None
    disk_mb: int | None = None
    tmpfs_mb: int | None = None


class Network(StrEnum):
    """What a sandbox can reach."""

    ISOLATED = "isolated"  # its own services, nothing else
    EGRESS = "egress"  # the outside too, but no other job
    NONE = "none"  # loopback


@dataclass(frozen=True, slots=True)
class Ready:
    """When a service counts as ready: a command in it exits 0 within `timeout_seconds`."""

    command: tuple[str, ...] = ()
    interval_seconds: float = 0.5
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """A container beside the job, reachable by its name."""

    name: str
    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    ready: Ready | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """What runs: one command in one image, or a runner of GitHub's that takes one job of its own.

    Attributes:
        command: after the image's entrypoint; empty for the image's own command.
        runner: for a just-in-time runner: what it registers as. Its container is given the
            configuration in `ACTIONS_RUNNER_INPUT_JITCONFIG`.
    """

    image: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = Resources()
    network: Network = Network.ISOLATED
    services: tuple[Service, ...] = ()
    runner: RunnerWish | None = None


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a client asked for. Unique by (repository, external_id)."""

    external_id: str
    repository: str
    execution: Execution
    workflow: str | None = None
    job_name: str | None = None
    run_id: int | None = None
    run_attempt: int | None = None
    labels: tuple[str, ...] = ()
    priority: int = 50
    timeout_seconds: float = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the ledger has it.

    Attributes:
        attempt: from 1; each attempt has a sandbox of its own.
        strikes: attempts that were lost to a host.
        sandbox_id: creation token of the attempt's sandbox; None while queued.
        fence: fencing token of the host's lease under which the attempt runs.
        timestamps: by phase name: accepted, claimed, placed, image_ready, created, started,
            exited, reaped. Those of the present attempt.
        not_before: earliest time of the next claim, after a lost attempt.
    """

    id: str
    spec: JobSpec
    phase: Phase = Phase.QUEUED
    attempt: int = 1
    strikes: int = 0
    sandbox_id: str | None = None
    host: str | None = None
    fence: int | None = None
    conclusion: Conclusion | None = None
    reason: Reason | None = None
    explanation: str | None = None
    exit_code: int | None = None
    cancel_requested: bool = False
    dead_letter: bool = False
    retry_of: str | None = None
    not_before: datetime | None = None
    timestamps: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """GitHub's status."""
        return status_of(self.phase)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line of a job's history, never changed once written."""

    job_id: str
    seq: int
    at: datetime
    kind: str
    attempt: int
    data: Mapping[str, Any] = field(default_factory=dict)
