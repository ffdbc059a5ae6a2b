"""The faults of a plan on one host: which of them strikes now.

Each fault on each host has dice of its own, thrown once at each occasion. So what strikes is the
same in every run with the same seed in which the host sees the same occasions in the same order.
"""

import math
from fnmatch import fnmatchcase
from random import Random

import trio

from runnerhub.sim.clock import SimClock
from runnerhub.sim.plan import Fault, Plan


class Trigger:
    """When one fault strikes on one host."""

    def __init__(self, fault: Fault, dice: Random) -> None:
        self.fault = fault
        self.dice = dice
        if fault.at_seconds is not None:
            self.next_at = fault.at_seconds
        elif fault.every_seconds is not None:
            self.next_at = fault.from_seconds + dice.expovariate(1 / fault.every_seconds)
        else:
            self.next_at = math.inf

    def strikes(self, elapsed: float) -> bool:
        """Tell whether it strikes at an occasion, so many seconds after the start."""
        fault = self.fault
        if fault.chance is not None:
            struck = self.dice.random() < fault.chance
        else:
            struck = elapsed >= self.next_at
            if struck:
                apart = fault.every_seconds
                self.next_at = elapsed + self.dice.expovariate(1 / apart) if apart else math.inf
        return struck and fault.from_seconds <= elapsed < fault.until_seconds


class Troubles:
    """What a plan holds for a host. Without a plan, nothing.

    Args:
        host: its name.
        plan: for all hosts.

    Attributes:
        none: whether nothing can strike.
    """

    def __init__(self, host: str = "", plan: Plan | None = None) -> None:
        self._of: dict[str, list[Trigger]] = {}
        self._began_at: float | None = None
        self._full_until = -math.inf
        plan = plan or Plan()
        for number, fault in enumerate(plan.faults):
            if any(fnmatchcase(host, pattern) for pattern in fault.hosts):
                dice = Random(f"{plan.seed}/{number}/{host}")  # noqa: S311 - it is to repeat
                self._of.setdefault(fault.kind, []).append(Trigger(fault, dice))
        self.none = not self._of

    def begin(self, clock: SimClock) -> None:
        """Count the seconds from now on, unless they are counted already."""
        if self._began_at is None:
            self._began_at = clock.now()

    def strike(self, kind: str, clock: SimClock, path: str = "") -> Trigger | None:
        """Return what strikes at an occasion, None when nothing does."""
        triggers = self._of.get(kind)
        if not triggers:
            return None
        self.begin(clock)
        elapsed = clock.now() - (self._began_at or 0.0)
        struck = None
        for trigger in triggers:
            on = trigger.fault.on
            if (not on or any(part in path for part in on)) and trigger.strikes(elapsed):
                struck = struck or trigger
        return struck

    def is_disk_full(self, clock: SimClock) -> bool:
        """Tell whether the host's disk is full now."""
        if (struck := self.strike("disk_full", clock)) is not None:
            self._full_until = clock.now() + struck.fault.seconds
        return clock.now() < self._full_until

    def copies(self, clock: SimClock) -> int:
        """Return how often the next event is told."""
        if self.strike("lost_event", clock) is not None:
            return 0
        return 1 if self.strike("doubled_event", clock) is None else 2

    async def next_restart(self, clock: SimClock) -> Fault:
        """Wait for the next restart of the engine. A checkpoint; for ever when there is none."""
        self.begin(clock)
        while True:
            await trio.sleep_until(
                (self._began_at or 0.0)
                + min((t.next_at for t in self._of.get("restart", ())), default=math.inf)
            )
            if (struck := self.strike("restart", clock)) is not None:
                return struck.fault
