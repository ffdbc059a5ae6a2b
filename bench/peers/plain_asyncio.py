"""asyncio's own queue and futures, on its own loop."""

import asyncio

from bench.peers import CAPACITY


def tells(count: int) -> None:
    """Put without waiting; where the queue is full, wait."""

    async def receiver(mailbox: asyncio.Queue[None]) -> None:
        for _ in range(count):
            await mailbox.get()

    async def main() -> None:
        mailbox: asyncio.Queue[None] = asyncio.Queue(CAPACITY)
        receiving = asyncio.create_task(receiver(mailbox))
        for _ in range(count):
            try:
                mailbox.put_nowait(None)
            except asyncio.QueueFull:
                await mailbox.put(None)
        await receiving

    asyncio.run(main())


def asks(count: int, askers: int) -> None:
    """Put a future, and wait for its result; no timeout."""

    async def answerer(mailbox: asyncio.Queue[asyncio.Future[int]]) -> None:
        for _ in range(count // askers * askers):
            (await mailbox.get()).set_result(1)

    async def asker(mailbox: asyncio.Queue[asyncio.Future[int]]) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count // askers):
            reply: asyncio.Future[int] = loop.create_future()
            mailbox.put_nowait(reply)
            await reply

    async def main() -> None:
        mailbox: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue(CAPACITY)
        answering = asyncio.create_task(answerer(mailbox))
        await asyncio.gather(*(asker(mailbox) for _ in range(askers)))
        await answering

    asyncio.run(main())
