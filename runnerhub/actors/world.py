"""What all actors share: the ports, the settings, and one live record per Docker host."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from runnerhub.actors.metrics import JobStatistics
from runnerhub.actors.shelf import Shelf
from runnerhub.actors.wakeups import Wakeups
from runnerhub.model.job import Execution
from runnerhub.model.lease import Lease, trusted_until
from runnerhub.model.placement import HostView, PlacementClass
from runnerhub.model.pool import Pool
from runnerhub.model.subnets import SubnetPool
from runnerhub.ports.engine import Engine, EngineInfo
from runnerhub.ports.github import GitHub
from runnerhub.ports.github_jobs import GitHubJobs
from runnerhub.ports.github_state import GitHubState
from runnerhub.ports.hub import Dependency
from runnerhub.ports.ledger import Ledger
from runnerhub.ports.queue import JobQueue
from runnerhub.ports.runners import Runners

QUESTIONS = 8


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """What the actors need to be told. Durations in seconds."""

    node_id: str
    max_attempts: int = 3
    host_lost_after: float = 60.0
    queue_max: float = 24 * 3600.0
    lease_ttl: float = 15.0
    clean_up: float = 6.0
    sweep_every: float = 60.0
    reconcile_every: float = 30.0
    recovery_every: float = 2.0
    log_max_mb: int = 64
    keep_days: float = 30.0
    log_days: float = 14.0
    image_pull: str = "if-missing"
    retry_delay: float = 1.0
    pools: tuple[Pool, ...] = ()


@dataclass(slots=True)
class HostState:
    """The live record of a Docker host.

    Its actor writes what it sees of the engine, the lease keeper what it owns; the others read.
    Everything happens in one thread between two awaits, so there is nothing to lock.

    Attributes:
        epoch: counts connections to the event stream; a change means a gap in what was seen.
        guarded: whether the egress guard stands; None where that cannot be seen from here.
        held: sandbox ids of the attempts that occupy a slot.
        counted: the token of the lease under which all attempts were seen that the ledger has.
        kills: containers to which the engine was told, or chose, to send a signal.
        ooms: containers in which the kernel killed something for memory.
        asked: what those attempts asked for, by sandbox id.
        reserves: whether that is set aside for them.
        pulling: images that are being pulled, with how far that is, in words that follow a name.
        holders: how many networks are kept ready for jobs to join.
        shelf: what is prepared ahead.
        troubles: what cannot be prepared, in words.
        leasing: those of them that the ledger has not confirmed yet.
        changed: by the name of a container, when something may have become of it, which the host
            actor and a change of owner tell; without a name, when something did of the host.
        running: the containers that ran when the engine was last listed, in this `epoch`.
        questions: bounds how many containers are asked for at once.
    """

    name: str
    url: str
    engine: Engine
    slots: int
    labels: frozenset[str]
    lease: Lease | None = None
    trusted_until: float = -math.inf
    reachable: bool = False
    lost: bool = False
    draining: bool = False
    epoch: int = 0
    detail: str = "not connected yet"
    info: EngineInfo | None = None
    warnings: Sequence[str] = ()
    guarded: bool | None = None
    reserves: bool = False
    pulling: dict[str, str] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    counted: int | None = None
    asked: dict[str, PlacementClass] = field(default_factory=dict)
    leasing: set[str] = field(default_factory=set)
    kills: set[str] = field(default_factory=set)
    ooms: set[str] = field(default_factory=set)
    holders: int = 0
    shelf: Shelf = field(default_factory=Shelf)
    troubles: dict[str, str] = field(default_factory=dict)
    changed: Wakeups = field(default_factory=Wakeups)
    running: frozenset[str] = frozenset()
    questions: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(QUESTIONS))
    _taken: tuple[float, int] | None = (0.0, 0)
    _seen_as: tuple[object, ...] = ()
    _view: HostView | None = None

    @property
    def trusted(self) -> bool:
        """Whether this node may act on the host just now."""
        return self.lease is not None and trio.current_time() < self.trusted_until

    @property
    def trouble(self) -> str | None:
        """Why the host takes no jobs just now."""
        if self.lease is None:
            return "is driven by another node"
        if not self.trusted:
            return "waits for its lease to be renewed"
        if not self.reachable:
            return f"is unreachable ({self.detail})"
        if self.counted != self.lease.token:
            # What another owner has started here takes slots, of which nothing is known yet.
            return "is being looked at for jobs that run on it"
        return "is draining" if self.draining else None

    def view(self) -> HostView:
        """Return what placement sees; the same object as long as nothing of it changes."""
        if self._taken is None:
            asked = self.asked.values()
            self._taken = sum(each.cpus for each in asked), sum(each.memory_mb for each in asked)
        now = (len(self.held), self._taken, self.trouble, self.info, self.labels, self.reserves)
        if self._view is None or now != self._seen_as:
            self._seen_as, info = now, self.info
            self._view = HostView(
                self.name,
                self.labels,
                self.slots,
                max(0, self.slots - len(self.held)),
                self.trouble,
                info.cpus if info else 0.0,
                info.memory_mb if info else 0,
                self.reserves,
                *self._taken,
            )
        return self._view

    def unkept(self, asked: Execution) -> str | None:
        """Say in words what a job asks for that this host does not keep, None when all is kept."""
        if self.info is None or asked.resources.disk_mb is None:
            return None
        return self.info.no_disk_limit

    def hold(self, sandbox_id: str, asked: PlacementClass) -> None:
        """Let an attempt occupy a slot, and what it asked for."""
        self.held.add(sandbox_id)
        if sandbox_id not in self.asked and self._taken is not None:
            cpus, memory_mb = self._taken
            self._taken = cpus + asked.cpus, memory_mb + asked.memory_mb
        self.asked.setdefault(sandbox_id, asked)

    def free(self, *sandbox_ids: str) -> None:
        """Free the slots of attempts."""
        for sandbox_id in sandbox_ids:
            self.held.discard(sandbox_id)
            if self.asked.pop(sandbox_id, None) is not None:
                self._taken = None  # added up anew: what is subtracted leaves a rest

    def forget(self, *sandbox_ids: str) -> None:
        """Free the slots of attempts that are over, and let go of the kits that they had."""
        self.free(*sandbox_ids)
        for sandbox_id in sandbox_ids:
            self.shelf.drop(sandbox_id)

    def own(self, lease: Lease, asked_at: float) -> None:
        """Act on the host from now on, for as long as the lease can be trusted."""
        renewed = self.trusted
        self.lease = lease
        self.trusted_until = trusted_until(asked_at, lease.ttl_seconds)
        if not renewed:
            self.changed.notify()

    def disown(self) -> None:
        """Another node drives the host now."""
        self.lease = None
        self.trusted_until = -math.inf
        self.changed.notify_all()


@dataclass(slots=True)
class World:
    """The ports, the settings and the hosts.

    Attributes:
        ledger: set, with `queue` and `cluster`, by the stores, which start before all others.
        github: the gateway; None when GitHub is not configured.
        github_jobs: GitHub's workflow jobs; set by the stores where GitHub is configured.
        github_state: what is kept of GitHub beside; set by the stores where it is configured.
        github_health: how its credentials were found; None before they were looked at.
        github_jobs_changed: wakes when this node learnt something of them.
        forgotten: wakes when the queue was found empty of all that it knew.
        runners: registers just-in-time runners; None where GitHub is not configured.
        claiming: whether the dispatcher may take new jobs; false once a stop has begun.
    """

    settings: CoreSettings
    hosts: Mapping[str, HostState]
    subnets: SubnetPool
    ledger: Ledger = field(init=False)
    queue: JobQueue = field(init=False)
    runners: Runners | None = None
    cluster: str = field(init=False)
    github: GitHub | None = None
    github_jobs: GitHubJobs | None = None
    github_state: GitHubState | None = None
    github_health: Dependency | None = None
    github_jobs_changed: Wakeups = field(default_factory=Wakeups)
    logs_changed: Wakeups = field(default_factory=Wakeups)
    work: Wakeups = field(default_factory=Wakeups)
    forgotten: Wakeups = field(default_factory=Wakeups)
    statistics: JobStatistics = field(default_factory=JobStatistics)
    claiming: bool = True
    now_ms: Callable[[], int] = lambda: int(time.time() * 1000)

    @property
    def is_idle(self) -> bool:
        """Whether no host of this node has a job."""
        return not any(host.held for host in self.hosts.values())

    def views(self) -> list[HostView]:
        """Return what placement sees of every host."""
        return [host.view() for host in self.hosts.values()]
