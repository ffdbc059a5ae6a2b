"""A Docker Engine in this process, behind the same port, for a mock clock and for the demo."""

import math
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import trio

from runnerhub.model.logs import LogEntry
from runnerhub.ports.engine import (
    ContainerSpec,
    ContainerState,
    EngineEvent,
    EngineInfo,
    HolderImage,
    ImageConfig,
    NetworkSpec,
    NetworkState,
    PullProgress,
    Stdin,
)
from runnerhub.ports.errors import (
    EngineRefused,
    EngineUnavailable,
    ImageMissing,
    ImagePullFailed,
    NameConflict,
)
from runnerhub.sim.attached import SimStdin
from runnerhub.sim.channel import Pulled
from runnerhub.sim.container import SimContainer
from runnerhub.sim.core import Core
from runnerhub.sim.events import SimEvent
from runnerhub.sim.network import SimNetwork, check_network
from runnerhub.sim.refusals import BadParameter, NotFound, WrongState
from runnerhub.sim.script import Timeline, UnknownProgram, timeline
from runnerhub.sim.stdin import Reader, begin
from runnerhub.sim.world import has_label

HOLDER = HolderImage("runnerhub/holder:1", ("/pause",))


class SimEngine(Core):
    """One simulated engine; `ports.engine.Engine` says what the methods do, `script` what runs."""

    async def info(self) -> EngineInfo:
        """Return what the engine says of itself."""
        await self.begin("info")
        return self.description

    # ------------------------------------------------------------------ networks

    async def create_network(self, spec: NetworkSpec) -> None:
        """Create a network; it appears although the caller has gone."""
        await self.pass_time()
        self.admit("create_network")
        world = self.world
        subnet = check_network(spec, world.networks.values())
        at = world.clock.now() + self.takes("create_network")
        made = SimNetwork(spec, secrets.token_hex(32), subnet, at)

        def appear() -> None:
            if spec.name not in world.networks:
                world.networks[spec.name] = made
                self.tell(made, "create")

        world.later(at, appear)
        await self.end("create_network", at)

    async def remove_network(self, name: str) -> bool:
        """Remove a network, disconnecting what is on it."""
        await self.begin("remove_network")
        network = self.world.networks.pop(name, None)
        if network is not None:
            for container in self.members(name):
                container.networks.remove(name)
            self.tell(network, "destroy")
        self.faults.strike("remove_network", after=True)
        return network is not None

    async def networks(self, label: str | None = None) -> Sequence[NetworkState]:
        """List networks."""
        await self.begin("networks")
        found = self.world.networks.values()
        return [n.state() for n in found if label is None or has_label(n.spec.labels, label)]

    def members(self, network: str) -> list[SimContainer]:
        """Return what is on a network, running or not."""
        return [c for c in self.world.containers.values() if network in c.networks]

    def tell(self, network: SimNetwork, action: str) -> None:
        """Record an event of a network."""
        spec, now = network.spec, self.world.clock.now()
        details = {"type": "bridge"}
        self.world.record(
            SimEvent(now, "network", action, network.network_id, spec.name, spec.labels, details)
        )

    # ------------------------------------------------------------------ containers

    async def create_container(self, spec: ContainerSpec) -> str:
        """Create a container; it appears although the caller has gone."""
        await self.pass_time()
        self.admit("create_container")
        world = self.world
        self.check_container(spec)
        self.need_disk()
        if self.meet("failed_create"):
            raise EngineRefused("failed to create shim task: it failed as it was told to")
        delays = self.faults.delays
        delay = delays.pop(0) if delays else self.takes("create_container")
        if slow := self.meet("slow_create"):
            delay += slow.fault.seconds
        if late := self.meet("late_create"):
            delay += late.fault.seconds
        at = world.clock.now() + delay
        made = SimContainer(
            clock=world.clock,
            spec=spec,
            container_id=secrets.token_hex(32),
            created_at=at,
            networks=[] if spec.network is None else [spec.network],
        )

        def appear() -> None:
            if spec.name not in world.containers:
                world.add(made)

        world.later(at, appear)
        if late:
            raise EngineUnavailable("The answer to a create is lost, and it is still to come")
        await self.end("create_container", at)
        if world.containers.get(spec.name) not in (made, None):
            raise NameConflict(f"The container name {spec.name} is already in use")
        return made.container_id

    async def start_container(self, name: str) -> None:
        """Start a container; it starts although the caller has gone."""
        await self.pass_time()
        self.admit("start_container")
        world, container = self.world, self.world.existing(name)
        at = world.clock.now() + self.takes(_kind_of_start(container))
        if not container.is_running:
            self.need_disk()
            runs, starves = self._runs(container), self.meet("out_of_memory")

            def start() -> None:
                if not container.is_running and not container.removed:
                    container.start(*runs, at)
                    container.death_told = False
                    self._take_over(container, container.spec.env)
                    world.emit(container, "start", at=at)
                    world.watch(container)
                    if starves:
                        after = starves.dice.uniform(0, starves.fault.seconds)
                        world.later(at + after, partial(world.starve, container), sure=True)

            world.later(at, start)
        await self.end("start_container", at)

    def _runs(self, container: SimContainer) -> tuple[Timeline, Reader | None]:
        spec = container.spec
        for network in container.networks:
            if network not in self.world.networks:
                raise NotFound(f"network {network} not found")
        if spec.joins:
            joined = self.world.existing(spec.joins)
            if not joined.is_running:
                raise WrongState(
                    f"cannot join network of a non running container: {joined.container_id}"
                )
        if self.programs is not None and self.programs.wants(spec.env):
            return Timeline(seconds=math.inf), None
        try:
            takes_over = partial(self._take_over, container)
            return begin(
                container.command,
                stdin=spec.stdin,
                takes_over=takes_over,
                known=partial(self._said, spec.image),
            )
        except UnknownProgram as error:
            container.error = str(error)
            self.world.gave_up(container)
            raise BadParameter(str(error)) from None

    def _said(self, image: str, command: Sequence[str]) -> Timeline | None:
        if self.commands is None or tuple(command) == HOLDER.command:
            return None
        return self.commands.timeline(image, command)

    def _take_over(self, container: SimContainer, env: Mapping[str, str]) -> bool:
        if self.programs is None or not self.programs.wants(env):
            return False
        self.programs.begin(self.world, container, env)
        return True

    async def inspect_container(self, name: str) -> ContainerState | None:
        """Return the state of a container."""
        await self.begin("inspect_container")
        container = self.world.find(name)
        return container.state() if container else None

    async def containers(self, label: str) -> Sequence[ContainerState]:
        """List containers, running or not."""
        await self.begin("containers")
        found = [c for c in self.world.containers.values() if has_label(c.spec.labels, label)]
        return [
            ContainerState(c.spec.name, c.container_id, dict(c.spec.labels), c.status)
            for c in found
        ]

    async def stop_container(self, name: str, grace_seconds: float) -> None:
        """Kill it after the grace: nothing that runs here heeds TERM, but for a program."""
        await self.begin("stop_container")
        world, container = self.world, self.world.find(name)
        if container is not None and container.is_running:
            kill_at = world.clock.now() + max(grace_seconds, 0)
            if self.programs is not None:
                self.programs.ask_to_stop(container)
            while world.clock.now() < kill_at and container.is_running:
                await container.changes.wait(min(kill_at, container.ends_at))
            await trio.lowlevel.checkpoint()
            world.check()
            world.kill(container)
            world.settle()
        self.faults.strike("stop_container", after=True)

    async def remove_container(self, name: str) -> bool:
        """Kill and remove a container."""
        container = self.world.find(name)
        runs = container is not None and container.is_running
        await self.pass_time(self.takes("remove_running" if runs else "remove_container"))
        self.admit("remove_container")
        container = self.world.find(name)
        if container is not None:
            self.world.drop(container)
        self.faults.strike("remove_container", after=True)
        return container is not None

    async def volumes(self) -> frozenset[str]:
        """Return nothing: a simulated image declares no volumes."""
        await self.begin("volumes")
        return frozenset()

    async def exec_ok(self, name: str, command: Sequence[str]) -> bool:
        """Run a command and tell whether it exited 0."""
        await self.begin("exec_ok")
        container = self.world.find(name)
        if container is None or not container.is_running:
            return False
        try:
            does = timeline(command)
        except UnknownProgram:
            return False
        await trio.sleep(does.seconds)
        self.world.check()
        return container.status == "running" and does.exit_code == 0

    async def limit_container(
        self, name: str, *, cpus: float | None, memory_mb: int | None, pids: int | None
    ) -> None:
        """Set limits; nothing that runs here meets them."""
        del memory_mb, pids
        await self.begin("limit_container")
        self.world.existing(name)
        self.check_cpus(cpus)
        self.faults.strike("limit_container", after=True)

    @asynccontextmanager
    async def open_stdin(self, name: str) -> AsyncIterator[Stdin]:
        """Hold a container's stdin open."""
        await self.begin("open_stdin")
        container = self.world.existing(name)
        try:
            yield SimStdin(self.world, container)
        finally:
            self.world.close_stdin(container)

    # ------------------------------------------------------------------ images

    async def holder_image(self) -> HolderImage:
        """Return an image whose container idles."""
        await self.begin("holder_image")
        self.images.add(HOLDER.name)
        return HOLDER

    async def image_config(self, image: str) -> ImageConfig:
        """Return what an image runs by itself."""
        await self.begin("image_config")
        if image not in self.images:
            raise ImageMissing(f"No such image: {image}")
        return ImageConfig((), ("sh",))

    async def has_image(self, image: str) -> bool:
        """Tell whether an image is present."""
        await self.begin("has_image")
        return image in self.images

    async def pull_image(
        self, image: str, on_progress: Callable[[PullProgress], None] = lambda _: None
    ) -> None:
        """Pull an image."""
        await self.begin("pull_image")
        if hangs := self.meet("hanging_pull"):
            await trio.sleep(hangs.fault.seconds)
            self.world.check()
        if self.troubles.is_disk_full(self.world.clock):
            raise ImagePullFailed(f"{image}: write /var/lib/docker: no space left on device")
        if image not in self.registry:
            raise ImagePullFailed(f"pull access denied for {image}: it does not exist")
        on_progress(PullProgress(1, 1, 1, 1))
        self.images.add(image)
        self.faults.strike("pull_image", after=True)

    # ------------------------------------------------------------------ streams

    @asynccontextmanager
    async def events(self, label: str) -> AsyncIterator[trio.MemoryReceiveChannel[EngineEvent]]:
        """Stream container events from now on."""
        await self.begin("events")
        take = self.events_from(
            self.world.events.end,
            lambda event: event.kind == "container" and has_label(event.labels, label),
        )

        def taken() -> EngineEvent | float:
            event = take()
            if isinstance(event, float):
                return event
            code = event.details.get("exitCode")
            return EngineEvent(
                event.action, event.name, dict(event.labels), None if code is None else int(code)
            )

        channel = Pulled(taken, self.world.changes)
        async with channel:
            yield cast("trio.MemoryReceiveChannel[EngineEvent]", channel)

    def events_from(
        self, position: int, wanted: Callable[[SimEvent], bool]
    ) -> Callable[[], SimEvent | float]:
        """Return a function that takes the next event of some, from a position on."""
        world, generation = self.world, self.world.generation

        def take() -> SimEvent | float:
            nonlocal position
            world.check(generation)
            position = max(position, world.events.start)
            while position < world.events.end:
                position += 1
                event = world.events.at(position - 1)
                if wanted(event):
                    return event
            return world.next_at()

        return take

    @asynccontextmanager
    async def logs(
        self, name: str, since: str = ""
    ) -> AsyncIterator[trio.MemoryReceiveChannel[LogEntry]]:
        """Follow a container's log to its end."""
        await self.begin("logs")
        world, generation, number = self.world, self.world.generation, 0
        container = world.find(name)
        if container is None:
            raise EngineRefused(f"No such container: {name}")

        def take() -> LogEntry | float:
            nonlocal number
            world.check(generation)
            if container.started_at is None:
                world.check(-1)
            while not isinstance(entry := container.take(number), float):
                if entry is None:
                    raise trio.EndOfChannel
                number += 1
                if entry.at >= since:
                    return entry
            return entry

        channel = Pulled(take, container.changes)
        async with channel:
            yield cast("trio.MemoryReceiveChannel[LogEntry]", channel)


def _kind_of_start(container: SimContainer) -> str:
    # They differ in what they cost: most of a start with a network is the network.
    if container.spec.joins:
        return "start_joined"
    return "start_container" if container.networks else "start_alone"
