"""What the listeners of scale sets share, and what is known of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import trio

from runnerhub.actors.wakeups import Wakeups
from runnerhub.actors.world import World
from runnerhub.model.fleet import Patience
from runnerhub.model.pool import Pool
from runnerhub.model.runner import RunnerWish
from runnerhub.model.scale_set import Bounds, Room, Statistics, capacity
from runnerhub.ports.scale_set_ledger import ScaleSetLedger
from runnerhub.ports.scale_sets import ScaleSet, ScaleSets


@dataclass(frozen=True, slots=True)
class ScaleSetOptions:
    """A scale set to listen to.

    Attributes:
        name: at GitHub; it keys the ledger too.
        scope: such as `/orgs/acme`.
        pool: whose runners it has.
    """

    name: str
    scope: str
    pool: Pool
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(slots=True)
class ScaleSetState:
    """What this node knows of a scale set: its reader writes it, its crew and the metrics read.

    Attributes:
        scale_set: as the service has it; None until it was found.
        statistics: those heard last; None until any were.
        told: the capacity that the poll under way told, and the scope of that poll.
        changed: wakes when statistics were heard.
        heard_at: when the service last answered a poll, on trio's clock.
    """

    options: ScaleSetOptions
    scale_set: ScaleSet | None = None
    statistics: Statistics | None = None
    listening: bool = False
    told: tuple[int, trio.CancelScope] | None = None
    capacity: int = 0
    desired: int = 0
    runners: int = 0
    changed: Wakeups = field(default_factory=Wakeups)
    heard_at: float | None = None
    message_age: float = 0.0
    messages: int = 0
    unreadable: int = 0
    acquired: int = 0
    sessions_lost: int = 0
    conflicts: int = 0

    def hear(self, statistics: Statistics | None) -> None:
        """Take note of statistics, where there are any."""
        if statistics is not None:
            self.statistics = statistics
            self.changed.notify()

    def step_down(self) -> None:
        """Forget what only a listener knows: another node may go on."""
        self.statistics = self.told = None
        self.listening = False
        self.capacity = self.desired = self.runners = 0


class ScaleSetDesk:
    """What the listeners share.

    Args:
        world: ports, settings and hosts.
        options: of the scale sets.
        patience: how long a contradiction may last.

    Attributes:
        service: GitHub's; set, with `ledger`, by the stores, which start before the listeners.
    """

    service: ScaleSets
    ledger: ScaleSetLedger

    def __init__(
        self, world: World, options: Sequence[ScaleSetOptions], patience: Patience | None = None
    ) -> None:
        self.world = world
        self.patience = patience or Patience()
        self.states = {each.name: ScaleSetState(each) for each in options}

    def now(self) -> datetime:
        """Return the time of day."""
        return datetime.fromtimestamp(self.world.now_ms() / 1000, UTC)

    def wish(self, state: ScaleSetState) -> RunnerWish | None:
        """Return what runners of a scale set are; None until it was found."""
        if state.scale_set is None:
            return None
        options, pool = state.options, state.options.pool
        labels = tuple(sorted(pool.labels))
        return RunnerWish(options.scope, labels, pool.runner_group, pool.name, state.scale_set.id)

    def capacity(self, options: ScaleSetOptions, placed: Sequence[str | None]) -> int:
        """Return how many jobs a scale set can take in all.

        Args:
            options: of the scale set.
            placed: the hosts of its runners that hold a slot.
        """
        rooms = []
        for host in self.world.hosts.values():
            if not options.pool.labels <= host.labels:
                continue
            ours = sum(name == host.name for name in placed)
            if host.lease is None and not host.draining:  # another node's: its slots are known
                rooms.append(Room(host.slots - ours, ours))
            else:
                free = 0 if host.trouble else host.slots - len(host.held)
                rooms.append(Room(free, ours))
        return capacity(rooms, options.bounds)
