"""What a supervisor remembers of one child across its lives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from runnerhub.runtime.inspect import ActorSnapshot, snapshot
from runnerhub.runtime.life import Life, Phase
from runnerhub.runtime.monitor import Reason
from runnerhub.runtime.registry import Registry
from runnerhub.runtime.spec import AnySpec, Restart


class Child:
    """A spec, its present life, and whether another one is wanted."""

    __slots__ = ("_lock", "broken", "dynamic", "life", "restarts", "spec", "wanted")

    def __init__(self, spec: AnySpec, *, dynamic: bool = False) -> None:
        self.spec = spec
        self.dynamic = dynamic
        self.life: Life | None = None
        self.restarts = 0
        self.wanted = True
        self.broken = False
        self._lock: trio.Lock | None = None

    @property
    def alive(self) -> bool:
        """Whether it has a life that has not ended."""
        return self.life is not None and self.life.ref.alive

    @property
    def phase(self) -> Phase:
        """Where it is, between two lives included."""
        if self.broken or self.life is None:
            return Phase.RESTARTING
        return self.life.phase

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Take turns with whoever else starts or repairs this child; a checkpoint.

        The lock is there only while it is used: most children are never repaired.
        """
        lock = self._lock = self._lock or trio.Lock()
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._lock = None

    def begin(self, registry: Registry) -> Life:
        """Begin its next life."""
        if self.life is not None:
            self.restarts += 1
            registry.telemetry.of(self.spec.kind).restarts += 1
        self.broken = False
        self.life = Life(self.spec, registry)
        return self.life

    def wants_restart(self) -> bool:
        """Tell whether an end of its own, such as the last one, calls for a restart."""
        down = self.life.ref.down if self.life is not None else None
        if down is None or not self.wanted or down.reason is Reason.CANCELLED:
            return False
        if self.spec.restart is Restart.TRANSIENT:
            return down.reason is Reason.CRASHED
        return self.spec.restart is Restart.PERMANENT

    def done_for(self, life: Life) -> bool:
        """Tell whether, after the end of a life that calls for no restart, nothing can follow."""
        if self.spec.restart is Restart.TEMPORARY:
            return True
        # A dynamic child that was stopped for its group's restart comes back with the group.
        return self.dynamic and not (life.stop_asked and self.wanted)

    def snapshot(self) -> ActorSnapshot | None:
        """Return what it and those below it look like; None before its first life."""
        if self.life is None:
            return None
        return snapshot(self.life, restarts=self.restarts, phase=self.phase)
