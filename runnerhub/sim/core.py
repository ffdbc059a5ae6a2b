"""What every method of a simulated engine goes through: latency, outages, errors on order."""

import heapq
import math
from collections.abc import Iterable
from functools import partial

import trio

from runnerhub.model.sandbox import LABEL_SANDBOX
from runnerhub.ports.engine import ContainerSpec, EngineInfo
from runnerhub.ports.errors import EngineRefused, ImageMissing, NameConflict
from runnerhub.sim.clock import SimClock
from runnerhub.sim.commands import Commands
from runnerhub.sim.faults import Faults, Latencies, Latency
from runnerhub.sim.plan import Plan
from runnerhub.sim.programs import Programs
from runnerhub.sim.refusals import BadParameter
from runnerhub.sim.trouble import Trigger, Troubles
from runnerhub.sim.world import World


class Core:
    """The state of one simulated engine, and what a test can let go wrong on it.

    Args:
        name: part of its engine id.
        cpus: what a container can have at most.
        memory_mb: what it says to have.
        images: present from the start.
        registry: what can be pulled, beside those.
        latency: how long things take.
        disk_limits: whether it enforces the size of the writable layer.
        clock: what it tells the time by.
        plan: what goes wrong on it.
        programs: what containers do with a certain environment.
        commands: what all others do whose command it knows.

    Attributes:
        eager: whether what takes no time is done without a checkpoint, for a caller that has some
            of its own. It saves a turn of the scheduler for each call.
    """

    def __init__(  # noqa: PLR0913 - an engine has that many sides
        self,
        name: str = "sim",
        *,
        cpus: float = 4.0,
        memory_mb: int = 16384,
        images: Iterable[str] = ("busybox:1",),
        registry: Iterable[str] = (),
        latency: Latencies | None = None,
        disk_limits: bool = False,
        clock: SimClock | None = None,
        plan: Plan | None = None,
        programs: Programs | None = None,
        commands: Commands | None = None,
    ) -> None:
        driver = "btrfs" if disk_limits else "overlay2"
        self.description = EngineInfo(
            name, "sim", cpus, memory_mb, driver, disk_limits, live_restore=False
        )
        self.images = set(images)
        self.registry = set(registry) | self.images
        self.latency = latency or Latency()
        self.programs = programs
        self.commands = commands
        self.world = World(clock)
        self.faults = Faults()
        self.troubles = Troubles(name, plan)
        if plan is not None:
            self.world.copies = partial(self.troubles.copies, self.world.clock)
        self.eager = False
        self._busy_until: list[float] = []

    # ------------------------------------------------------------------ for tests

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
            world.kill(container)
            world.settle()
            world.emit(container, "stop")
        await trio.sleep(1.0)
        world.break_streams(world.clock.now() + down_seconds)

    def fail_next(
        self, method: str, error: Exception, *, times: int = 1, after: bool = False
    ) -> None:
        """Let the next calls of a method raise; with `after` its effect takes place before."""
        self.faults.add(method, error, after=after, times=times)

    def delay_next_create(self, seconds: float) -> None:
        """Let the next create of a container take so long, also when its caller is gone by then."""
        self.faults.delays.append(seconds)

    def leftovers(self, label: str = LABEL_SANDBOX) -> dict[str, list[str]]:
        """Return the labelled containers and networks that exist, empty when all is clean."""
        world = self.world
        world.settle()
        found = {
            "containers": [n for n, c in world.containers.items() if label in c.spec.labels],
            "networks": [n for n, each in world.networks.items() if label in each.spec.labels],
        }
        return {kind: names for kind, names in found.items() if names}

    # ------------------------------------------------------------------ for every method

    async def begin(self, method: str) -> None:
        """Take the time of a method that takes effect at its end. A checkpoint, unless eager.

        Raises:
            EngineUnavailable: the engine is away.
        """
        await self.pass_time(self.takes(method))
        self.admit(method)

    async def pass_time(self, seconds: float = 0.0) -> None:
        """Wait so long. A checkpoint, unless eager and there is nothing to wait for."""
        if seconds > 0 or not self.eager:
            await trio.sleep(seconds)

    def admit(self, method: str) -> None:
        """Raise what keeps a method from doing anything now."""
        self.world.check()
        self.faults.strike(method, after=False)

    async def end(self, method: str, at: float) -> None:
        """Wait until a time at which a method has taken effect. A checkpoint, unless eager."""
        if not self.eager or at > self.world.clock.now():
            await trio.sleep_until(at)
        self.world.check()
        self.faults.strike(method, after=True)

    def meet(self, kind: str) -> Trigger | None:
        """Return the fault of the plan that strikes at this occasion, None when none does."""
        return self.troubles.strike(kind, self.world.clock)

    def need_disk(self) -> None:
        """Raise EngineRefused while the disk is full."""
        if self.troubles.is_disk_full(self.world.clock):
            raise EngineRefused("write /var/lib/docker: no space left on device")

    async def haunt(self) -> None:
        """Restart the engine when the plan says so, until cancelled."""
        while True:
            fault = await self.troubles.next_restart(self.world.clock)
            if fault.live_restore:
                self.go_away(fault.seconds)
            else:
                self.crash(fault.seconds)

    def takes(self, method: str) -> float:
        """Return how many seconds a call takes that begins now."""
        now, busy = self.world.clock.now(), self._busy_until
        while busy and busy[0] <= now:
            heapq.heappop(busy)
        seconds = self.latency.of(method, len(busy) + 1)
        if seconds:
            heapq.heappush(busy, now + seconds)
        return seconds

    # ------------------------------------------------------------------ checks

    def check_container(self, spec: ContainerSpec) -> None:
        """Raise what speaks against creating a container."""
        if (other := self.world.containers.get(spec.name)) is not None:
            raise NameConflict(
                f'Conflict. The container name "/{spec.name}" is already in use by container '
                f'"{other.container_id}".'
            )
        if spec.image not in self.images:
            raise ImageMissing(f"No such image: {spec.image}")
        self.check_cpus(spec.cpus)
        if spec.disk_mb is not None and not self.description.disk_limits:
            raise BadParameter("This storage driver cannot limit the size of a container")

    def check_cpus(self, cpus: float | None) -> None:
        """Raise BadParameter for more than there are."""
        most = self.description.cpus
        if cpus is not None and cpus > most:
            raise BadParameter(
                f"Range of CPUs is from 0.01 to {most:.2f}, as there are only {most:g} CPUs "
                "available"
            )
