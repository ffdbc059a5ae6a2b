"""A Docker Engine in this process, behind the same port, for a mock clock and for the demo."""

import ipaddress
import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import trio

from runnerhub.model.logs import LogEntry
from runnerhub.model.sandbox import LABEL_SANDBOX
from runnerhub.ports.engine import (
    ContainerSpec,
    ContainerState,
    EngineEvent,
    EngineInfo,
    NetworkSpec,
    NetworkState,
    PullProgress,
)
from runnerhub.ports.errors import (
    EngineRefused,
    ImageMissing,
    ImagePullFailed,
    NameConflict,
    SubnetConflict,
)
from runnerhub.sim.channel import Pulled
from runnerhub.sim.container import SimContainer
from runnerhub.sim.faults import Faults, Latency
from runnerhub.sim.script import UnknownProgram, timeline
from runnerhub.sim.world import World, has_label


class SimEngine:
    """One simulated engine; `ports.engine.Engine` says what the methods do, `script` what runs.

    Args:
        name: part of its engine id.
        cpus: what a container can have at most.
        memory_mb: what it says to have.
        images: present from the start.
        registry: what can be pulled, beside those.
        latency: how long things take.
        disk_limits: whether it enforces the size of the writable layer.
    """

    def __init__(
        self,
        name: str = "sim",
        *,
        cpus: float = 4.0,
        memory_mb: int = 16384,
        images: Iterable[str] = ("busybox:1",),
        registry: Iterable[str] = (),
        latency: Latency | None = None,
        disk_limits: bool = False,
    ) -> None:
        driver = "btrfs" if disk_limits else "overlay2"
        self._info = EngineInfo(name, "sim", cpus, memory_mb, driver, disk_limits, False)  # noqa: FBT003
        self.images = set(images)
        self.registry = set(registry) | self.images
        self.latency = latency or Latency()
        self.world = World()
        self._faults = Faults()
        self._made = 0

    # ------------------------------------------------------------------ faults

    def go_away(self, seconds: float = math.inf) -> None:
        """Answer nothing, for so long or until `come_back`; containers run on."""
        self.world.break_streams(self.world.clock.now() + seconds)

    def come_back(self) -> None:
        """Answer again."""
        self.world.away_until = -math.inf

    def crash(self, down_seconds: float = 0.0) -> None:
        """Restart without live-restore: what runs ends with 137, and every stream breaks."""
        self.world.break_streams(self.world.clock.now() + down_seconds)
        self.world.kill_all()

    async def shut_down(self, down_seconds: float = 0.0) -> None:
        """Restart as an administrator would, without live-restore; returns when it is down.

        The real one does as this does: its containers get TERM and then KILL, their ends are
        told as events (kill, die, stop) and by their logs, and a second later the streams break.
        """
        world = self.world
        world.settle()
        for container in [each for each in world.containers.values() if each.is_running]:
            world.emit(container, "kill")
            container.kill()
            world.settle()
            world.emit(container, "stop")
        await trio.sleep(1.0)
        world.break_streams(world.clock.now() + down_seconds)

    def fail_next(
        self, method: str, error: Exception, *, times: int = 1, after: bool = False
    ) -> None:
        """Let the next calls of a method raise; with `after` its effect takes place before."""
        self._faults.add(method, error, after=after, times=times)

    def delay_next_create(self, seconds: float) -> None:
        """Let the next create of a container take so long, also when its caller is gone by then."""
        self._faults.delays.append(seconds)

    def leftovers(self, label: str = LABEL_SANDBOX) -> dict[str, list[str]]:
        """Return the labelled containers and networks that exist, empty when all is clean."""
        world = self.world
        world.settle()
        found = {
            "containers": [n for n, c in world.containers.items() if label in c.spec.labels],
            "networks": [n for n, spec in world.networks.items() if label in spec.labels],
        }
        return {kind: names for kind, names in found.items() if names}

    # ------------------------------------------------------------------ the port

    async def info(self) -> EngineInfo:
        """Return what the engine says of itself."""
        await self._begin("info")
        return self._info

    async def create_network(self, spec: NetworkSpec) -> None:
        """Create a network."""
        await self._begin("create_network", wait=False)
        self._check_network(spec)
        at = self.world.clock.now() + self.latency.of("create_network")

        def appear() -> None:
            if spec.name not in self.world.networks:
                self.world.networks[spec.name] = spec

        self.world.later(at, appear)
        await self._end("create_network", at)

    async def remove_network(self, name: str) -> bool:
        """Remove a network, disconnecting what is on it."""
        await self._begin("remove_network")
        existed = self.world.networks.pop(name, None) is not None
        for container in self.world.containers.values():
            if container.network == name:
                container.network = None
        self._faults.strike("remove_network", after=True)
        return existed

    async def networks(self, label: str | None = None) -> Sequence[NetworkState]:
        """List networks."""
        await self._begin("networks")
        return [
            NetworkState(spec.name, f"net-{spec.name}", dict(spec.labels), (spec.subnet,))
            for spec in self.world.networks.values()
            if label is None or has_label(dict(spec.labels), label)
        ]

    async def create_container(self, spec: ContainerSpec) -> str:
        """Create a container; it appears although the caller has gone."""
        await self._begin("create_container", wait=False)
        self._check_container(spec)
        delays = self._faults.delays
        delay = delays.pop(0) if delays else self.latency.of("create_container")
        self._made += 1
        made = SimContainer(spec, f"{self._made:064x}", self.world.clock, network=spec.network)

        def appear() -> None:
            if spec.name not in self.world.containers:
                self.world.containers[spec.name] = made
                self.world.emit(made, "create")

        at = self.world.clock.now() + delay
        self.world.later(at, appear)
        await self._end("create_container", at)
        if self.world.containers.get(spec.name) not in (made, None):
            raise NameConflict(f"The container name {spec.name} is already in use")
        return made.container_id

    async def start_container(self, name: str) -> None:
        """Start a container."""
        await self._begin("start_container", wait=False)
        container = self._existing(name)
        if not container.is_running:
            if container.network is not None and container.network not in self.world.networks:
                raise EngineRefused(f"network {container.network} not found")
            try:
                container.start(timeline(container.spec.command))
            except UnknownProgram as error:
                container.error = str(error)
                raise EngineRefused(str(error)) from None
            self.world.watch(container)
            self.world.emit(container, "start")
        at = self.world.clock.now() + self.latency.of("start_container")
        await self._end("start_container", at)

    async def inspect_container(self, name: str) -> ContainerState | None:
        """Return the state of a container."""
        await self._begin("inspect_container")
        container = self.world.containers.get(name)
        return container.state() if container else None

    async def containers(self, label: str) -> Sequence[ContainerState]:
        """List containers, running or not."""
        await self._begin("containers")
        found = [c for c in self.world.containers.values() if has_label(dict(c.spec.labels), label)]
        return [
            ContainerState(c.spec.name, c.container_id, dict(c.spec.labels), c.status)
            for c in found
        ]

    async def stop_container(self, name: str, grace_seconds: float) -> None:
        """Kill it after the grace: nothing that runs here heeds TERM."""
        await self._begin("stop_container")
        container = self.world.containers.get(name)
        if container is not None and container.is_running:
            kill_at = self.world.clock.now() + max(grace_seconds, 0)
            await trio.sleep_until(min(kill_at, container.ends_at))
            self.world.check()
            container.kill()
            self.world.settle()
        self._faults.strike("stop_container", after=True)

    async def remove_container(self, name: str) -> bool:
        """Kill and remove a container."""
        await self._begin("remove_container")
        container = self.world.containers.pop(name, None)
        if container is not None:
            container.kill()
            self.world.settle()
            self.world.emit(container, "destroy")
        self._faults.strike("remove_container", after=True)
        return container is not None

    async def volumes(self) -> frozenset[str]:
        """Return nothing: a simulated image declares no volumes."""
        await self._begin("volumes")
        return frozenset()

    async def exec_ok(self, name: str, command: Sequence[str]) -> bool:
        """Run a command and tell whether it exited 0."""
        await self._begin("exec_ok")
        container = self.world.containers.get(name)
        if container is None or not container.is_running:
            return False
        try:
            does = timeline(command)
        except UnknownProgram:
            return False
        await trio.sleep(does.seconds)
        self.world.check()
        return container.status == "running" and does.exit_code == 0

    async def has_image(self, image: str) -> bool:
        """Tell whether an image is present."""
        await self._begin("has_image")
        return image in self.images

    async def pull_image(
        self, image: str, on_progress: Callable[[PullProgress], None] = lambda _: None
    ) -> None:
        """Pull an image."""
        await self._begin("pull_image")
        if image not in self.registry:
            raise ImagePullFailed(f"pull access denied for {image}: it does not exist")
        on_progress(PullProgress(1, 1, 1, 1))
        self.images.add(image)
        self._faults.strike("pull_image", after=True)

    @asynccontextmanager
    async def events(self, label: str) -> AsyncIterator[trio.MemoryReceiveChannel[EngineEvent]]:
        """Stream container events from now on."""
        await self._begin("events")
        world, generation, position = self.world, self.world.generation, len(self.world.events)

        def take() -> EngineEvent | float:
            nonlocal position
            world.check(generation)
            while position < len(world.events):
                position += 1
                if has_label(dict(world.events[position - 1].labels), label):
                    return world.events[position - 1]
            return world.next_at()

        channel = Pulled(take, world.changes)
        async with channel:
            yield cast("trio.MemoryReceiveChannel[EngineEvent]", channel)

    @asynccontextmanager
    async def logs(
        self, name: str, since: str = ""
    ) -> AsyncIterator[trio.MemoryReceiveChannel[LogEntry]]:
        """Follow a container's log to its end."""
        await self._begin("logs")
        world, generation, number = self.world, self.world.generation, 0
        container = self._existing(name)

        def take() -> LogEntry | float:
            nonlocal number
            world.check(generation)
            if container.started_at is None:
                world.check(-1)
            while (found := container.entry(number)) is not None:
                at, entry = found
                if at > world.clock.now():
                    return at
                number += 1
                if entry.at >= since:
                    return entry
            if not container.is_running:
                raise trio.EndOfChannel
            return container.ends_at

        channel = Pulled(take, world.changes)
        async with channel:
            yield cast("trio.MemoryReceiveChannel[LogEntry]", channel)

    # ------------------------------------------------------------------ inside

    async def _begin(self, method: str, *, wait: bool = True) -> None:
        await trio.lowlevel.checkpoint()
        if wait and self.latency.of(method):
            await trio.sleep(self.latency.of(method))
        self.world.check()
        self._faults.strike(method, after=False)

    async def _end(self, method: str, at: float) -> None:
        await trio.sleep_until(at)
        self.world.check()
        self._faults.strike(method, after=True)

    def _existing(self, name: str) -> SimContainer:
        container = self.world.containers.get(name)
        if container is None:
            raise EngineRefused(f"No such container: {name}")
        return container

    def _check_network(self, spec: NetworkSpec) -> None:
        if spec.name in self.world.networks:
            raise NameConflict(f"network with name {spec.name} already exists")
        wanted = ipaddress.ip_network(spec.subnet)
        for other in self.world.networks.values():
            if wanted.overlaps(ipaddress.ip_network(other.subnet)):
                raise SubnetConflict(f"Pool overlaps with {other.name} on this address space")

    def _check_container(self, spec: ContainerSpec) -> None:
        if spec.name in self.world.containers:
            raise NameConflict(f"The container name {spec.name} is already in use")
        if spec.image not in self.images:
            raise ImageMissing(f"No such image: {spec.image}")
        if spec.cpus is not None and spec.cpus > self._info.cpus:
            raise EngineRefused(f"Range of CPUs is from 0.01 to {self._info.cpus:.2f}")
        if spec.disk_mb is not None and not self._info.disk_limits:
            raise EngineRefused("This storage driver cannot limit the size of a container")
