"""The port to one Docker engine. Every removal is by name and idempotent."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import trio

    from runnerhub.model.logs import LogEntry


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine says of itself. `disk_limits`: whether its storage driver enforces sizes."""

    engine_id: str
    version: str
    cpus: float
    memory_mb: int
    storage_driver: str
    disk_limits: bool
    live_restore: bool

    @property
    def no_disk_limit(self) -> str | None:
        """In words, that and why `disk_mb` is no limit there; None where it is one."""
        if self.disk_limits:
            return None
        return f"disk_mb has no effect: the storage driver {self.storage_driver} limits no disk"


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A bridge network. `internal`: no outside, and no gateway address on the host."""

    name: str
    labels: Mapping[str, str]
    subnet: str
    internal: bool
    bridge: str


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container, least privileged: all capabilities dropped, no new privileges, no mounts.

    Attributes:
        network: name of the network it joins; None is network mode `none`.
        aliases: further names by which others on its network reach it.
        joins: name of a running container whose network it shares, instead of `network`.
        entrypoint: instead of the image's; then the image's own command does not count either.
        stdin: whether its stdin stays open until somebody who opened it lets go.
        memory_mb: limit with no swap on top.
        tmpfs_mb: size of a tmpfs on /tmp; None for none.
        disk_mb: size of the writable layer; only where the engine has `disk_limits`.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    aliases: Sequence[str] = ()
    cpus: float | None = None
    memory_mb: int | None = None
    pids: int | None = None
    tmpfs_mb: int | None = None
    disk_mb: int | None = None
    cap_add: Sequence[str] = ()
    read_only: bool = False
    user: str | None = None
    log_max_mb: int = 64
    joins: str | None = None
    entrypoint: Sequence[str] | None = None
    stdin: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image runs by itself: its entrypoint, and the command that follows it."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class HolderImage:
    """An image with nothing but a program that idles."""

    name: str
    command: Sequence[str]


class Stdin(Protocol):
    """A container's stdin, held open."""

    async def send(self, data: bytes) -> None:
        """Write all of it. Raises EngineUnavailable: some of it may have arrived."""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What an engine says of a container.

    Attributes:
        status: created, running, exited, dead, removing, paused, restarting.
        started_at: RFC 3339 text of the engine's clock; empty before the start.
        finished_at: the same of its end.
        error: the engine's words on a failed start.
    """

    name: str
    container_id: str
    labels: Mapping[str, str]
    status: str
    exit_code: int | None = None
    out_of_memory: bool = False
    started_at: str = ""
    finished_at: str = ""
    error: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it ran and has ended."""
        return self.status in {"exited", "dead"}


@dataclass(frozen=True, slots=True)
class NetworkState:
    """What an engine says of a network."""

    name: str
    network_id: str
    labels: Mapping[str, str]
    subnets: Sequence[str]


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """A container event: action is start, die, oom, destroy, …; `exit_code` for die."""

    action: str
    name: str
    labels: Mapping[str, str]
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is: bytes downloaded, of as many as are known of; layers done, of all."""

    done_bytes: int
    total_bytes: int
    done_layers: int
    total_layers: int

    def __str__(self) -> str:
        words = f"{self.done_layers} of {self.total_layers} layers"
        if not self.total_bytes:
            return words
        percent = 100 * self.done_bytes // self.total_bytes
        return f"{percent} % of {self.total_bytes / 1e6:.1f} MB, {words}"


class Engine(Protocol):
    """One Docker engine.

    Every method may raise `EngineUnavailable`. A cancelled create may still take effect later:
    whoever calls it knows the name and removes it.
    """

    async def info(self) -> EngineInfo:
        """Return what the engine says of itself. Also the health probe."""

    async def create_network(self, spec: NetworkSpec) -> None:
        """Create a network. Raises NameConflict, SubnetConflict, EngineRefused."""

    async def remove_network(self, name: str) -> bool:
        """Remove a network, disconnecting what is on it; False when there was none."""

    async def networks(self, label: str | None = None) -> Sequence[NetworkState]:
        """List networks, those with a label (`key` or `key=value`) only."""

    async def create_container(self, spec: ContainerSpec) -> str:
        """Create a container; return its id. Raises NameConflict, ImageMissing, EngineRefused."""

    async def start_container(self, name: str) -> None:
        """Start a container; starting a running one is no error. Raises EngineRefused."""

    async def inspect_container(self, name: str) -> ContainerState | None:
        """Return the state of a container; None when there is none."""

    async def containers(self, label: str) -> Sequence[ContainerState]:
        """List containers, running or not, with a label (`key` or `key=value`).

        Exit codes and the memory flag are not part of a listing: inspect for those.
        """

    async def stop_container(self, name: str, grace_seconds: float) -> None:
        """TERM, wait for the grace, then KILL; at once KILL for 0. No error when it is gone."""

    async def remove_container(self, name: str) -> bool:
        """Kill and remove a container with its anonymous volumes; False when there was none."""

    async def volumes(self) -> frozenset[str]:
        """Return the names of all volumes, ours or not."""

    async def exec_ok(self, name: str, command: Sequence[str]) -> bool:
        """Run a command in a running container and tell whether it exited 0."""

    async def limit_container(
        self, name: str, *, cpus: float | None, memory_mb: int | None, pids: int | None
    ) -> None:
        """Set the limits of a running container; None leaves one as it is. Raises EngineRefused."""

    def open_stdin(self, name: str) -> AbstractAsyncContextManager[Stdin]:
        """Hold a container's stdin, which was created with `stdin`, open.

        Leaving it, in whatever way, lets the container read the end. Raises EngineRefused.
        """

    async def holder_image(self) -> HolderImage:
        """Return an image whose container idles, made where it is missing. Raises EngineRefused."""

    async def image_config(self, image: str) -> ImageConfig:
        """Return what an image runs by itself. Raises ImageMissing."""

    async def has_image(self, image: str) -> bool:
        """Tell whether an image is present."""

    async def pull_image(
        self, image: str, on_progress: Callable[[PullProgress], None] = lambda _: None
    ) -> None:
        """Pull an image; say now and then how far it is. Raises ImagePullFailed."""

    def events(
        self, label: str
    ) -> AbstractAsyncContextManager["trio.abc.ReceiveChannel[EngineEvent]"]:
        """Stream container events from now on. Entered means subscribed; its end is a gap."""

    def logs(
        self, name: str, since: str = ""
    ) -> AbstractAsyncContextManager["trio.abc.ReceiveChannel[LogEntry]"]:
        """Follow a container's log from an RFC 3339 timestamp (inclusive) to its end.

        The channel ends when the container has ended and its log is read whole; it raises
        EngineUnavailable when the stream breaks before.
        """
