"""A simulated container."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runnerhub.ports.engine import ContainerSpec, ContainerState
from runnerhub.sim.process import SimProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailedSpec(ContainerSpec):
    """A container with what the Docker API can ask for beyond the port.

    Attributes:
        auto_remove: removed once it has ended.
        config: the `Config` that an inspection shows.
        host_config: the `HostConfig` that it shows.
    """

    tty: bool = False
    auto_remove: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    host_config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class SimContainer(SimProcess):
    """A container of a simulated engine.

    Attributes:
        created_at: a time of trio's clock.
        error: the engine's words on a failed start.
        networks: names of those that it is on.
        death_told: whether its end was told as an event.
        removed: whether it is gone.
        encoded: what never changes of an inspection, as the API says it, once somebody has asked.
    """

    spec: ContainerSpec
    container_id: str
    created_at: float
    error: str = ""
    networks: list[str]
    death_told: bool = False
    removed: bool = False
    encoded: str = ""

    @property
    def command(self) -> list[str]:
        """What it runs; the image's own command, a shell, when it names none."""
        spec = self.spec
        return [*(spec.entrypoint or ()), *spec.command] or (["sh"] if spec.stdin else [])

    def state(self) -> ContainerState:
        """Return what the engine says of it now."""
        ended = self.has_ended
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
