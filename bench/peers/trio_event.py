"""A deque and a `ParkingLot` as the mailbox, a `trio.Event` for each answer."""

from collections import deque
from typing import Generic, TypeVar

import trio

from bench.peers import CAPACITY

T = TypeVar("T")


class _Mailbox(Generic[T]):
    def __init__(self) -> None:
        self.messages: deque[T] = deque()
        self.receiver = trio.lowlevel.ParkingLot()
        self.senders = trio.lowlevel.ParkingLot()

    async def put(self, message: T) -> None:
        while len(self.messages) >= CAPACITY:
            await self.senders.park()
        self.messages.append(message)
        self.receiver.unpark()

    async def get(self) -> T:
        while not self.messages:
            await self.receiver.park()
        message = self.messages.popleft()
        self.senders.unpark()
        return message


class _Reply:
    def __init__(self) -> None:
        self.answered = trio.Event()
        self.answer = 0


def tells(count: int) -> None:
    """Put, parked while there is no room."""

    async def receiver(mailbox: _Mailbox[None]) -> None:
        for _ in range(count):
            await mailbox.get()

    async def main() -> None:
        mailbox = _Mailbox[None]()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receiver, mailbox)
            for _ in range(count):
                await mailbox.put(None)

    trio.run(main)


def asks(count: int, askers: int) -> None:
    """Put an event, and wait until it is set; no timeout."""

    async def answerer(mailbox: _Mailbox[_Reply]) -> None:
        for _ in range(count // askers * askers):
            reply = await mailbox.get()
            reply.answer = 1
            reply.answered.set()

    async def asker(mailbox: _Mailbox[_Reply]) -> None:
        for _ in range(count // askers):
            reply = _Reply()
            await mailbox.put(reply)
            await reply.answered.wait()

    async def main() -> None:
        mailbox = _Mailbox[_Reply]()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answerer, mailbox)
            for _ in range(askers):
                nursery.start_soon(asker, mailbox)

    trio.run(main)
