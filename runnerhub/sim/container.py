"""A simulated container. What it does is known at its start; its state follows from the time."""

import math
from dataclasses import dataclass

from runnerhub.model.logs import LogEntry
from runnerhub.ports.engine import ContainerSpec, ContainerState
from runnerhub.sim.clock import SimClock
from runnerhub.sim.script import Timeline

_KILLED = 137


@dataclass(slots=True)
class SimContainer:
    """A container of a simulated engine.

    Attributes:
        killed_at: when something ended it before its time.
    """

    spec: ContainerSpec
    container_id: str
    clock: SimClock
    timeline: Timeline | None = None
    started_at: float | None = None
    killed_at: float = math.inf
    error: str = ""
    network: str | None = None

    @property
    def ends_at(self) -> float:
        """When it ends, or ended."""
        if self.started_at is None or self.timeline is None:
            return math.inf
        return min(self.started_at + self.timeline.seconds, self.killed_at)

    @property
    def was_killed(self) -> bool:
        """Whether something ended it before its time."""
        return self.killed_at <= self.ends_at and not math.isinf(self.killed_at)

    @property
    def is_running(self) -> bool:
        """Whether it runs now."""
        return self.started_at is not None and self.clock.now() < self.ends_at

    @property
    def exit_code(self) -> int:
        """What it exits with."""
        if self.was_killed or self.timeline is None:
            return _KILLED
        return self.timeline.exit_code

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel ends it for its memory."""
        return self.timeline is not None and self.timeline.out_of_memory and not self.was_killed

    def start(self, timeline: Timeline) -> None:
        """Run from now on."""
        self.timeline, self.started_at = timeline, self.clock.now()

    def kill(self) -> None:
        """End it now, if it runs."""
        if self.is_running:
            self.killed_at = self.clock.now()

    def entry(self, number: int) -> tuple[float, LogEntry] | None:
        """Return when it writes an entry, and what; None behind the last."""
        if self.started_at is None or self.timeline is None:
            return None
        if number >= len(self.timeline.outputs):
            return None
        output = self.timeline.outputs[number]
        at = self.started_at + output.after
        if at > self.ends_at:
            return None
        return at, LogEntry(output.stream, self.clock.text(at), output.data)

    def state(self) -> ContainerState:
        """Return what the engine says of it now."""
        ended = self.started_at is not None and not self.is_running
        text = self.clock.text
        return ContainerState(
            name=self.spec.name,
            container_id=self.container_id,
            labels=dict(self.spec.labels),
            status=self.status,
            exit_code=self.exit_code if ended else None,
            out_of_memory=ended and self.out_of_memory,
            started_at="" if self.started_at is None else text(self.started_at),
            finished_at=text(self.ends_at) if ended else "",
            error=self.error,
        )

    @property
    def status(self) -> str:
        """The engine's word for its state."""
        if self.started_at is None:
            return "created"
        return "running" if self.is_running else "exited"
