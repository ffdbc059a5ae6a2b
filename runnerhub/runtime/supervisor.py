"""Supervisors: who starts actors in order, stops them in reverse, and restarts what broke.

A supervisor is an actor, so supervisors form a tree. It owns its children, static ones from its
specs and dynamic ones from `start_child`, and runs in three nested layers:

    the actor's own task     waits for a stop, then ends the layers from the inside out
    ├─ children              a nursery: every child is a task with a scope of its own
    └─ repairs               a nursery: the boot, and one task for each restart under way

A repair goes like this, under a lock that is the child's own where children are independent, and
the family's where they are not:

    child ends ─▶ wanted back? ─▶ one too many? ─▶ stop its group ─▶ delay ─▶ start its group ─▶ ok
                      │ no            │ yes         in reverse          ▲      in order │ failed
                   forgotten       give up                              └── counts again ◀┘

Invariants:

    - A child has one life at a time; a new one begins only after the last has ended.
    - When a stop has begun no life begins any more, so the list of those to stop is final.
    - Only ends of a child's own lead to a repair: neither a stop that somebody asked for, nor a
      cancellation from outside, which reaches the whole family.
    - A supervisor that gives up stops its children as in any other stop, and only then raises.

A dependency that is away is not broken state. Actors wait for it with a backoff of their own;
were they to crash instead, an outage would climb up the tree as a storm of restarts.
"""

import math
import random
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import structlog
import trio

from runnerhub.runtime.actor import ActorContext
from runnerhub.runtime.child import Child
from runnerhub.runtime.errors import (
    ActorDied,
    ActorError,
    NameTaken,
    RestartIntensityExceeded,
    UnknownChild,
)
from runnerhub.runtime.intensity import RestartIntensity, RestartWindow
from runnerhub.runtime.life import Life
from runnerhub.runtime.monitor import Reason
from runnerhub.runtime.ref import ActorRef
from runnerhub.runtime.spec import AnySpec, ChildSpec, Restart, Strategy

M = TypeVar("M")

log = structlog.get_logger(__name__)


class Supervisor:
    """Keep a family of actors alive.

    Args:
        name: the supervisor's own name as an actor.
        specs: the static children, in the order in which they start.
        strategy: who is restarted together with a child that ended.
        intensity: how many restarts are too many, and the delay before each.
        rng: where the jitter of the delays comes from.
    """

    def __init__(
        self,
        name: str,
        specs: Iterable[AnySpec] = (),
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: RestartIntensity | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self._specs = tuple(specs)
        self._strategy = strategy
        self._intensity = intensity or RestartIntensity()
        self._rng = rng
        self._open = False

    def spec(self, *, restart: Restart = Restart.PERMANENT, shutdown: float = math.inf) -> AnySpec:
        """Return the spec that makes this supervisor a child of another.

        Args:
            restart: when it is started again.
            shutdown: seconds it has to stop its children; without a bound it has the sum of theirs.
        """
        return ChildSpec(
            self.name,
            self.run,
            kind="supervisor",
            restart=restart,
            shutdown=shutdown,
            start_timeout=math.inf,
            mailbox_size=1,
        )

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Live one life: boot, repair, and stop everything when asked to.

        Cancelling it cancels the children at once, in trio's way: no stop, no order, no restart.

        Raises:
            StartFailed: a child did not start at boot; those before it have been stopped.
            RestartIntensityExceeded: one restart too many; the children have been stopped.
        """
        self._ctx = ctx
        self._children = {spec.name: Child(spec) for spec in self._specs}
        self._window = RestartWindow(self._intensity, self._rng)
        self._failure: ActorError | None = None
        self._family_lock = trio.Lock()
        ctx.supervisor = self
        async with trio.open_nursery() as self._nursery:
            async with trio.open_nursery() as self._repairs:
                self._open = True
                self._repairs.start_soon(self._boot)
                try:
                    await ctx.stopping.wait()
                finally:
                    # Before the nursery closes: children may still end while it does.
                    self._open = False
                self._repairs.cancel_scope.cancel()
            await self._stop_all()
        if self._failure is not None:
            raise self._failure

    async def start_child(self, spec: ChildSpec[M]) -> ActorRef[M]:
        """Start one more child, after all the others, and return its ref once it has started.

        Cancelling it, before then, cancels the child.

        Raises:
            StartFailed: the child did not start, and is forgotten.
            NameTaken: a living actor, or another child, has the name.
            ActorDied: this supervisor is not running.
        """
        child = Child(spec, dynamic=True)
        self._must_be_open()
        async with self._turn(child):
            self._must_be_open()
            if spec.name in self._children:
                raise NameTaken(f"{self.name} has a child named {spec.name} already")
            self._children[spec.name] = child
            life: Life | None = None
            try:
                life = await self._start(child)
            finally:
                if life is None:
                    self._forget(child)
            return life.ref

    async def stop_child(self, name: str) -> None:
        """Stop a child and wait for its end. A static one stays known, a dynamic one does not.

        Cancelling it leaves the child stopping, within its budget.

        Raises:
            UnknownChild: there is no child of this name.
            ActorDied: this supervisor is not running.
        """
        child = self._find(name)
        child.wanted = False
        if child.life is not None:
            child.life.stop()
            await child.life.ended.wait()
        if child.dynamic:
            self._forget(child)

    async def restart_child(self, name: str) -> ActorRef[Any]:
        """Stop a child and its group, start them again, and return the child's new ref.

        Cancelling it does not interrupt the restart. It does not count against the intensity.

        Raises:
            UnknownChild: there is no child of this name.
            ActorDied: this supervisor is not running, or the child does not start.
        """
        child = self._find(name)
        child.wanted = True
        before = child.life
        done = trio.Event()
        self._repairs.start_soon(self._restart, child, done)
        await done.wait()
        life = child.life
        if life is None or life is before or not life.ref.alive:
            raise ActorDied(f"{name} was stopped but did not start again")
        return life.ref

    def children(self) -> tuple[Child, ...]:
        """Return what it remembers of each child, in the order in which they started."""
        return tuple(self._children.values())

    def child(self, name: str) -> Child | None:
        """Return what it remembers of one child; None when there is none of this name."""
        return self._children.get(name)

    # --------------------------------------------------------------- starting and stopping

    async def _boot(self) -> None:
        try:
            for child in tuple(self._children.values()):
                await self._start(child)
        except ActorError as error:
            self._failure = error
            self._ctx.stop()
        else:
            self._ctx.started()

    async def _start(self, child: Child) -> Life:
        life = child.begin(self._ctx.registry)
        await life.start_in(self._nursery, self._ended)
        return life

    async def _stop_all(self) -> None:
        everyone = tuple(self._children.values())
        if self._strategy is Strategy.ONE_FOR_ONE:
            # Dynamic children may be many, and none depends on another: side by side.
            independent = [c.life for c in everyone if c.dynamic and c.life is not None]
            for life in independent:
                life.stop()
            for life in independent:
                await life.ended.wait()
        await self._stop_in_reverse(everyone)

    async def _stop_in_reverse(self, children: Sequence[Child]) -> None:
        for child in reversed(children):
            if child.life is not None:
                child.life.stop()
                await child.life.ended.wait()

    # --------------------------------------------------------------- the end of a child

    def _ended(self, life: Life) -> None:
        """Decide what follows from the end of a life. Called in its last step: must not await."""
        child = self._children[life.spec.name]  # forgotten only after its end
        down = life.ref.down
        if down is not None and down.reason is Reason.CRASHED:
            log.error(
                "actor crashed",
                action="actor_crashed",
                actor=down.name,
                kind=down.kind,
                exc_info=down.error,
            )
        if child.wants_restart() and not life.stop_asked:
            if self._open:
                child.broken = True
                self._repairs.start_soon(self._repair, child)
        elif child.done_for(life):
            self._forget(child)

    def _forget(self, child: Child) -> None:
        if self._children.get(child.spec.name) is child:
            del self._children[child.spec.name]

    # --------------------------------------------------------------- repairs

    async def _repair(self, child: Child) -> None:
        async with self._turn(child):
            broken: Child | None = child
            while broken is not None and self._missing(broken):
                delay = self._window.admit(trio.current_time())
                if delay is None:
                    self._give_up(broken)
                    return
                log.warning(
                    "restarting actor",
                    action="actor_restart",
                    actor=broken.spec.name,
                    kind=broken.spec.kind,
                    delay_seconds=round(delay, 3),
                )
                broken = await self._renew(broken, delay)

    async def _restart(self, child: Child, done: trio.Event) -> None:
        try:
            async with self._turn(child):
                failed = await self._renew(child, 0.0)
            if failed is not None:
                self._repairs.start_soon(self._repair, failed)
        finally:
            done.set()

    async def _renew(self, child: Child, delay: float) -> Child | None:
        """Stop a child's group and start it again; return the member that failed to start."""
        group = self.group(child)
        await self._stop_in_reverse(group)
        await trio.sleep(delay)
        for member in group:
            if self._missing(member):
                try:
                    await self._start(member)
                except ActorError as error:
                    log.warning(
                        "actor failed to start again",
                        action="actor_start_failed",
                        actor=member.spec.name,
                        kind=member.spec.kind,
                        exc_info=error,
                    )
                    return member
        return None

    def _give_up(self, child: Child) -> None:
        limit = self._intensity
        self._failure = RestartIntensityExceeded(
            f"{self.name} gave up: {child.spec.name} ended after {limit.max_restarts} restarts "
            f"within {limit.within_seconds:g} s"
        )
        last = child.life.ref.down if child.life is not None else None
        self._failure.__cause__ = last.error if last is not None else None
        self._ctx.stop()

    def group(self, child: Child) -> list[Child]:
        """Return who is restarted together with a child, itself included, in starting order."""
        everyone = list(self._children.values())
        match self._strategy:
            case Strategy.ONE_FOR_ONE:
                return [child]
            case Strategy.REST_FOR_ONE:
                return everyone[everyone.index(child) :]
            case Strategy.ONE_FOR_ALL:
                return everyone

    # --------------------------------------------------------------- small questions

    def _turn(self, child: Child) -> AbstractAsyncContextManager[None]:
        return child.turn() if self._strategy is Strategy.ONE_FOR_ONE else self._family_lock

    def _missing(self, child: Child) -> bool:
        known = self._children.get(child.spec.name) is child
        return known and child.wanted and not child.alive

    def _find(self, name: str) -> Child:
        self._must_be_open()
        if name not in self._children:
            raise UnknownChild(f"{self.name} has no child named {name}")
        return self._children[name]

    def _must_be_open(self) -> None:
        if not self._open or self._ctx.stopping.is_set():
            raise ActorDied(f"the supervisor {self.name} is not running")
