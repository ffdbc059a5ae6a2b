"""Small actors and a tree to try them in. No test here waits in real time."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio
import trio.testing

from runnerhub.runtime import (
    ActorContext,
    ActorRef,
    Backoff,
    ChildSpec,
    Registry,
    ReplyTo,
    Restart,
    RestartIntensity,
    Root,
    Strategy,
    Supervisor,
)

# No delay between restarts, except where a test is about the delay.
PATIENT = RestartIntensity(10, 60.0, Backoff(first=0.0))


class Boom(Exception):
    """What test actors crash of."""


@dataclass(frozen=True)
class Crash:
    """Makes an actor crash."""


@dataclass(frozen=True)
class Leave:
    """Makes an actor return."""


@dataclass(frozen=True)
class Ping:
    """Is answered with the actor's name."""

    reply_to: ReplyTo[str]


@dataclass
class Diary:
    """What happened, in order: `+name` for a start, `-name` for an end."""

    entries: list[str] = field(default_factory=list)

    def spec(
        self,
        name: str,
        restart: Restart = Restart.PERMANENT,
        *,
        shutdown: float = 5.0,
        lingers: float = 0.0,
        fails: Callable[[int], bool] = lambda _life: False,
        kind: str = "test",
    ) -> ChildSpec[Any]:
        """Return an actor that keeps this diary.

        It takes `lingers` seconds to stop; `fails` says whether the start of its nth life fails.
        """
        lives = 0

        async def actor(ctx: ActorContext[Any]) -> None:
            nonlocal lives
            lives += 1
            if fails(lives):
                self.entries.append(f"!{name}")
                raise Boom(name)
            self.entries.append(f"+{name}")
            ctx.started()
            try:
                async for message in ctx:
                    match message:
                        case Crash():
                            raise Boom(name)
                        case Leave():
                            return
                        case Ping(reply_to):
                            reply_to.send(name)
                await trio.sleep(lingers)
            finally:
                self.entries.append(f"-{name}")

        return ChildSpec(name, actor, kind=kind, restart=restart, shutdown=shutdown)

    def take(self) -> str:
        """Return what happened since the last time, as one line."""
        entries, self.entries = self.entries, []
        return " ".join(entries)


@dataclass
class Tree:
    """A running tree."""

    root: Root
    supervisor: Supervisor

    @property
    def registry(self) -> Registry:
        """The registry of the tree."""
        return self.root.registry

    def ref(self, name: str) -> ActorRef[Any]:
        """Return who bears a name now."""
        return self.registry.ref(name)

    async def tell(self, name: str, message: object) -> None:
        """Send a message, and let everything that follows from it happen."""
        self.ref(name).tell(message)
        await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def a_tree(
    *specs: ChildSpec[Any],
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: RestartIntensity = PATIENT,
    shutdown: float = 60.0,
) -> AsyncIterator[Tree]:
    """Run a supervisor with these children; stop it in order at the end."""
    supervisor = Supervisor("top", specs, strategy=strategy, intensity=intensity)
    root = Root(supervisor.spec(shutdown=shutdown))
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        yield Tree(root, supervisor)
        root.stop()


@asynccontextmanager
async def an_actor(
    actor: Callable[[ActorContext[Any]], Any], *, mailbox_size: int = 8
) -> AsyncIterator[ActorRef[Any]]:
    """Run one actor; stop it at the end."""
    root = Root(ChildSpec("it", actor, mailbox_size=mailbox_size, shutdown=1.0))
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        yield root.registry.ref("it")
        root.stop()
