"""Trio's memory channels: one as the mailbox, one for each answer."""

import trio

from bench.peers import CAPACITY

Reply = trio.MemorySendChannel[int]


def tells(count: int) -> None:
    """Send without waiting; where the channel is full, wait."""

    async def receiver(mailbox: trio.MemoryReceiveChannel[None]) -> None:
        async for _ in mailbox:
            pass

    async def main() -> None:
        send, receive = trio.open_memory_channel[None](CAPACITY)
        async with trio.open_nursery() as nursery, send:
            nursery.start_soon(receiver, receive)
            for _ in range(count):
                try:
                    send.send_nowait(None)
                except trio.WouldBlock:
                    await send.send(None)

    trio.run(main)


def asks(count: int, askers: int) -> None:
    """Send a channel, and wait for the answer in it; no timeout."""

    async def answerer(mailbox: trio.MemoryReceiveChannel[Reply]) -> None:
        async for reply in mailbox:
            reply.send_nowait(1)

    async def asker(mailbox: trio.MemorySendChannel[Reply]) -> None:
        for _ in range(count // askers):
            reply, answer = trio.open_memory_channel[int](1)
            mailbox.send_nowait(reply)
            await answer.receive()

    async def main() -> None:
        send, receive = trio.open_memory_channel[Reply](CAPACITY)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answerer, receive)
            async with trio.open_nursery() as asking:
                for _ in range(askers):
                    asking.start_soon(asker, send)
            nursery.cancel_scope.cancel()

    trio.run(main)
