"""RunnerHub's own actors, under a supervisor, as the product uses them."""

from collections.abc import Awaitable, Callable

import trio

from bench.peers import CAPACITY
from runnerhub.runtime import (
    ActorContext,
    ActorRef,
    ChildSpec,
    MailboxFull,
    ReplyTo,
    Root,
    Supervisor,
)


async def _answerer(ctx: ActorContext[ReplyTo[int] | None]) -> None:
    async for reply_to in ctx:
        if reply_to is not None:
            reply_to.send(1)


def tells(count: int) -> None:
    """Tell; where the mailbox is full, wait for room."""

    async def work(ref: ActorRef[ReplyTo[int] | None]) -> None:
        for _ in range(count):
            try:
                ref.tell(None)
            except MailboxFull:
                await ref.tell_wait(None)
        await ref.ask(lambda reply_to: reply_to, 60.0)

    _with_actor(work)


def asks(count: int, askers: int) -> None:
    """Ask, each with its timeout."""

    async def asker(ref: ActorRef[ReplyTo[int] | None]) -> None:
        for _ in range(count // askers):
            await ref.ask(lambda reply_to: reply_to, 5.0)

    async def work(ref: ActorRef[ReplyTo[int] | None]) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(askers):
                nursery.start_soon(asker, ref)

    _with_actor(work)


def _with_actor(work: Callable[[ActorRef[ReplyTo[int] | None]], Awaitable[None]]) -> None:
    async def main() -> None:
        spec = ChildSpec("answerer", _answerer, mailbox_size=CAPACITY)
        root = Root(Supervisor("top", [spec]).spec())
        async with trio.open_nursery() as nursery:
            await nursery.start(root.run)
            await work(root.registry.ref("answerer"))
            root.stop()

    trio.run(main)
