"""Coroutines as what simulated containers do, where a timeline known at the start is not enough.

    start ──▶ the coroutine runs ──▶ it returns: the container exits with that
                     ▲                kill, remove, a crash of the engine: it is cancelled
                     └── stop, which is a TERM, cancels what is `until_asked_to_stop`

A container does so when its environment has a variable, wherever that came from: its own, or
that of a job which a warm sandbox was handed. All others do as `script` says.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import trio

from runnerhub.sim.container import SimContainer
from runnerhub.sim.world import World


def _ignore(data: bytes) -> None:
    del data


@dataclass(slots=True)
class Running:
    """A container as its program sees it.

    Attributes:
        env: its environment.
        say: writes to its log.
        is_asked_to_stop: whether it got a TERM.
    """

    env: Mapping[str, str]
    say: Callable[[bytes], None] = _ignore
    is_asked_to_stop: bool = False
    _scopes: list[trio.CancelScope] = field(default_factory=list)

    def ask_to_stop(self) -> None:
        """Send it a TERM."""
        self.is_asked_to_stop = True
        for scope in self._scopes:
            scope.cancel()

    @contextmanager
    def until_asked_to_stop(self) -> Iterator[trio.CancelScope]:
        """Yield a scope for the block that a TERM cancels, one that came before too."""
        with trio.CancelScope() as scope:
            self._scopes.append(scope)
            if self.is_asked_to_stop:
                scope.cancel()
            try:
                yield scope
            finally:
                self._scopes.remove(scope)


Program: TypeAlias = Callable[[Running], Awaitable[int]]


class Programs:
    """Starts a program in each container whose environment has a variable.

    Args:
        nursery: where they run. What a program raises ends it: that is no crash of a container,
            for which it returns a code.
        variable: of the environment.
        program: returns the exit code.
    """

    def __init__(self, nursery: trio.Nursery, variable: str, program: Program) -> None:
        self._nursery = nursery
        self._variable = variable
        self._program = program
        self._running: dict[str, Running] = {}

    def wants(self, env: Mapping[str, str]) -> bool:
        """Tell whether an environment has the variable."""
        return self._variable in env

    def begin(self, world: World, container: SimContainer, env: Mapping[str, str]) -> None:
        """Run the program in a container that runs, and whose timeline has no end yet."""
        running = Running({**container.spec.env, **env}, partial(_say, container))
        self._running[container.container_id] = running
        self._nursery.start_soon(self._run, world, container, running)

    def ask_to_stop(self, container: SimContainer) -> None:
        """Send TERM; nothing but a program heeds it."""
        running = self._running.get(container.container_id)
        if running is not None:
            running.ask_to_stop()

    async def _run(self, world: World, container: SimContainer, running: Running) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_killed, container, nursery.cancel_scope)
            code = await self._program(running)
            if container.is_running:
                _end(world, container, code)
            nursery.cancel_scope.cancel()
        self._running.pop(container.container_id, None)


@asynccontextmanager
async def running_programs(variable: str, program: Program) -> AsyncIterator[Programs]:
    """Yield `Programs` for simulated engines; what runs behind the block is cancelled."""
    async with trio.open_nursery() as nursery:
        yield Programs(nursery, variable, program)
        nursery.cancel_scope.cancel()


async def _cancel_when_killed(container: SimContainer, scope: trio.CancelScope) -> None:
    while container.is_running:
        await container.changes.wait()
    scope.cancel()


def _say(container: SimContainer, data: bytes) -> None:
    timeline, started_at = container.timeline, container.started_at
    if timeline is None or started_at is None or not container.is_running:
        return
    timeline.seconds = container.clock.now() - started_at
    timeline.write(data)
    timeline.seconds = math.inf
    container.changes.happened()


def _end(world: World, container: SimContainer, code: int) -> None:
    timeline, started_at = container.timeline, container.started_at
    if timeline is None or started_at is None:
        return
    timeline.seconds = container.clock.now() - started_at
    timeline.exit_code, timeline.ended = code, True
    container.changes.happened()
    world.watch(container)
