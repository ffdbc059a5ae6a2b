"""What is on a simulated engine, and what has happened there."""

import math
from collections.abc import Callable

from runnerhub.ports.engine import EngineEvent, NetworkSpec
from runnerhub.ports.errors import EngineUnavailable
from runnerhub.sim.channel import Changes
from runnerhub.sim.clock import SimClock
from runnerhub.sim.container import SimContainer


def has_label(labels: dict[str, str], wanted: str) -> bool:
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
    """

    def __init__(self) -> None:
        self.clock = SimClock()
        self.changes = Changes()
        self.containers: dict[str, SimContainer] = {}
        self.networks: dict[str, NetworkSpec] = {}
        self.events: list[EngineEvent] = []
        self.generation = 0
        self.away_until = -math.inf
        self._late: list[tuple[float, Callable[[], None]]] = []
        self._dying: dict[str, SimContainer] = {}

    def later(self, at: float, effect: Callable[[], None]) -> None:
        """Let something happen at a time, whoever still waits for it."""
        self._late.append((at, effect))
        self.changes.happened()

    def emit(self, container: SimContainer, action: str, exit_code: int | None = None) -> None:
        """Record an event."""
        spec = container.spec
        self.events.append(EngineEvent(action, spec.name, dict(spec.labels), exit_code))
        self.changes.happened()

    def watch(self, container: SimContainer) -> None:
        """Record the end of a container that runs, once it comes."""
        self._dying[container.container_id] = container

    def settle(self) -> None:
        """Let everything happen that should have happened by now, in order."""
        now = self.clock.now()
        for at, effect in sorted(self._late, key=lambda late: late[0]):
            if at <= now:
                self._late = [late for late in self._late if late[1] is not effect]
                effect()
        for container in sorted(self._dying.values(), key=lambda each: each.ends_at):
            if container.ends_at <= now:
                del self._dying[container.container_id]
                if container.out_of_memory:
                    self.emit(container, "oom")
                self.emit(container, "die", container.exit_code)

    def next_at(self) -> float:
        """Return until when nothing happens by itself."""
        ends = (container.ends_at for container in self._dying.values())
        return min((*ends, *(at for at, _ in self._late)), default=math.inf)

    def break_streams(self, away_until: float) -> None:
        """Let go of every stream, and answer nothing for a while."""
        self.settle()
        self.generation += 1
        self.away_until = away_until
        self.changes.happened()

    def kill_all(self) -> None:
        """What a restart without live-restore does to the containers, and to late creates."""
        self._late.clear()
        for container in self.containers.values():
            container.kill()
        self.settle()

    def check(self, generation: int | None = None) -> None:
        """Raise EngineUnavailable while the engine is away, or when it was since."""
        if self.clock.now() < self.away_until or generation not in (None, self.generation):
            raise EngineUnavailable("The simulated engine does not answer")
        self.settle()
