"""What is on a simulated engine, and what has happened there."""

import heapq
import itertools
import math
from collections.abc import Callable, Mapping
from functools import partial

from runnerhub.ports.errors import EngineUnavailable
from runnerhub.sim.channel import Changes
from runnerhub.sim.clock import SimClock
from runnerhub.sim.container import DetailedSpec, SimContainer
from runnerhub.sim.events import EventLog, SimEvent
from runnerhub.sim.network import SimNetwork
from runnerhub.sim.refusals import NotFound

_Entry = tuple[float, int, Callable[[], None], bool]
_ID = 64


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """Tell whether labels hold `key` or `key=value`."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


class World:
    """Containers, networks and events of one engine.

    No task runs here: whatever should have happened by now is made up for by `settle`, which
    everything that looks calls first.

    Attributes:
        generation: grows whenever every open stream breaks.
        away_until: when the engine answers again.
        copies: how often an event is told; 1 unless something disturbs it.
    """

    def __init__(self, clock: SimClock | None = None) -> None:
        self.clock = clock or SimClock()
        self.changes = Changes()
        self.containers: dict[str, SimContainer] = {}
        self.networks: dict[str, SimNetwork] = {}
        self.events = EventLog()
        self.generation = 0
        self.away_until = -math.inf
        self.copies: Callable[[], int] = lambda: 1
        self._ids: dict[str, SimContainer] = {}
        self._agenda: list[_Entry] = []
        self._number = itertools.count()

    # ------------------------------------------------------------------ what is there

    def find(self, reference: str) -> SimContainer | None:
        """Return the container of a name, an id or the beginning of an id."""
        found = self.containers.get(reference) or self._ids.get(reference)
        if found is None and 0 < len(reference) < _ID:
            matches = [c for i, c in self._ids.items() if i.startswith(reference)]
            found = matches[0] if len(matches) == 1 else None
        return found

    def existing(self, reference: str) -> SimContainer:
        """Return the container of a reference; raise NotFound when there is none."""
        container = self.find(reference)
        if container is None:
            raise NotFound(f"No such container: {reference}")
        return container

    def add(self, container: SimContainer) -> None:
        """Bring a container."""
        self.containers[container.spec.name] = container
        self._ids[container.container_id] = container
        self.emit(container, "create")

    def drop(self, container: SimContainer) -> None:
        """Kill and remove a container."""
        self.containers.pop(container.spec.name, None)
        self._ids.pop(container.container_id, None)
        container.removed = True
        self.kill(container)
        self.settle()
        self.emit(container, "destroy")
        container.changes.happened()

    def kill(self, container: SimContainer) -> None:
        """End a container's process now."""
        if container.is_running:
            container.kill()
            self.watch(container)

    def starve(self, container: SimContainer) -> None:
        """Let the kernel end a container's process now, for its memory."""
        if container.is_running:
            container.starved = True
            self.kill(container)

    def feed(self, container: SimContainer, data: bytes) -> None:
        """Write to a container's stdin."""
        container.feed(data)
        self.watch(container)

    def close_stdin(self, container: SimContainer) -> None:
        """Let a container read the end of its stdin."""
        container.close_stdin()
        self.watch(container)

    def find_network(self, reference: str) -> SimNetwork | None:
        """Return the network of a name, an id or the beginning of an id."""
        found = self.networks.get(reference)
        if found is None and reference:
            matches = [n for n in self.networks.values() if n.network_id.startswith(reference)]
            found = matches[0] if len(matches) == 1 else None
        return found

    # ------------------------------------------------------------------ what happens

    def later(self, at: float, effect: Callable[[], None], *, sure: bool = False) -> None:
        """Let something happen at a time, whoever still waits for it.

        Args:
            at: a time of trio's clock.
            effect: what happens; called once.
            sure: also when the engine has crashed meanwhile.
        """
        sooner = at < self.next_at()
        heapq.heappush(self._agenda, (at, next(self._number), effect, sure))
        if sooner:
            self.changes.happened()

    def watch(self, container: SimContainer) -> None:
        """Tell of the end of a container that runs, once it comes."""
        if not math.isinf(container.ends_at):
            self.later(container.ends_at, partial(self._died, container), sure=True)

    def _died(self, container: SimContainer) -> None:
        # Its end may have moved since this was noted; then it was noted again.
        if container.death_told or container.ends_at > self.clock.now():
            return
        container.death_told = True
        at, code = container.ends_at, str(container.exit_code)
        if container.out_of_memory:
            self.emit(container, "oom", at=at)
        self.emit(container, "die", {"exitCode": code}, at=at)
        container.changes.happened()
        self.gave_up(container)

    def gave_up(self, container: SimContainer) -> None:
        """Remove a container that will not run any more, where it asked for that."""
        spec = container.spec
        if isinstance(spec, DetailedSpec) and spec.auto_remove and not container.removed:
            self.drop(container)

    def emit(
        self,
        container: SimContainer,
        action: str,
        details: Mapping[str, str] | None = None,
        at: float | None = None,
    ) -> None:
        """Record an event of a container."""
        spec, at = container.spec, self.clock.now() if at is None else at
        details = {"image": spec.image, **(details or {})}
        self.record(
            SimEvent(
                at, "container", action, container.container_id, spec.name, spec.labels, details
            )
        )

    def record(self, event: SimEvent) -> None:
        """Record an event."""
        for _ in range(self.copies()):
            self.events.append(event)
        self.changes.happened()

    def settle(self) -> None:
        """Let everything happen that should have happened by now, in order."""
        agenda = self._agenda
        if agenda:
            now = self.clock.now()
            while agenda and agenda[0][0] <= now:
                heapq.heappop(agenda)[2]()

    def next_at(self) -> float:
        """Return until when nothing happens by itself."""
        return self._agenda[0][0] if self._agenda else math.inf

    # ------------------------------------------------------------------ outages

    def break_streams(self, away_until: float) -> None:
        """Let go of every stream, and answer nothing for a while."""
        self.settle()
        self.generation += 1
        self.away_until = away_until
        self.changes.happened()
        for container in self.containers.values():
            container.changes.happened()

    def kill_all(self) -> None:
        """What a restart without live-restore does to the containers, and to late creates."""
        self._agenda[:] = [entry for entry in self._agenda if entry[3]]
        heapq.heapify(self._agenda)
        for container in list(self.containers.values()):
            self.kill(container)
        self.settle()

    def check(self, generation: int | None = None) -> None:
        """Raise EngineUnavailable while the engine is away, or when it was since."""
        if self.clock.now() < self.away_until or generation not in (None, self.generation):
            raise EngineUnavailable("The simulated engine does not answer")
        self.settle()
