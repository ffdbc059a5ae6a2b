"""The least that trio needs: deques, and tasks that are put to sleep and woken directly.

No bound on an ask, no names, no error when the other side is gone, no order among senders who
wait: nothing but the two turns of the scheduler that an answered question takes.
"""

from collections import deque

import trio
from outcome import Value
from trio.lowlevel import Abort, RaiseCancelT, Task, current_task, reschedule
from trio.lowlevel import wait_task_rescheduled as park

from bench.peers import CAPACITY


def _leave(_: RaiseCancelT) -> Abort:
    return Abort.SUCCEEDED


def tells(count: int) -> None:
    """Append; where there is no room, sleep until there is."""
    messages: deque[None] = deque()
    sleeping: list[Task] = []

    async def receiver() -> None:
        for _ in range(count):
            if not messages:
                while sleeping:
                    reschedule(sleeping.pop())
                sleeping.append(current_task())
                await park(_leave)
            messages.popleft()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receiver)
            for _ in range(count):
                if len(messages) >= CAPACITY:
                    while sleeping:
                        reschedule(sleeping.pop())
                    sleeping.append(current_task())
                    await park(_leave)
                messages.append(None)
            while sleeping:
                reschedule(sleeping.pop())

    trio.run(main)


def asks(count: int, askers: int) -> None:
    """Append the asking task, which sleeps; the answer is what wakes it."""
    questions: deque[Task] = deque()
    sleeping: list[Task] = []

    async def answerer() -> None:
        for _ in range(count // askers * askers):
            if not questions:
                sleeping.append(current_task())
                await park(_leave)
            reschedule(questions.popleft(), Value(1))

    async def asker() -> None:
        for _ in range(count // askers):
            questions.append(current_task())
            if sleeping:
                reschedule(sleeping.pop())
            await park(_leave)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answerer)
            for _ in range(askers):
                nursery.start_soon(asker)

    trio.run(main)
