"""Run one case of a contract on the simulated store and on the real one.

A case is an async function of a store. On the simulated one it runs under a mock clock, on the
real one as a guest of asyncio, on real time.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from runnerhub.adapters.postgres import PostgresLedger
from runnerhub.adapters.redis import RedisQueue
from runnerhub.adapters.redis.connection import RedisConnection
from runnerhub.ports.ledger import Ledger
from runnerhub.ports.queue import JobQueue
from runnerhub.runtime import Bridge, run_guest
from runnerhub.sim.ledger import MemoryLedger
from runnerhub.sim.queue import MemoryQueue

LedgerCase = Callable[[Ledger], Awaitable[None]]
QueueCase = Callable[[JobQueue], Awaitable[None]]
F = TypeVar("F", bound=Callable[..., object])

EPOCH = datetime.now(UTC)  # where a test under a mock clock begins
AGING_SECONDS = 10.0


class Cases(list[F]):
    """Cases, gathered by using this as a decorator."""

    def __call__(self, case: F) -> F:
        self.append(case)
        return case

    def parametrize(self) -> pytest.MarkDecorator:
        return pytest.mark.parametrize("case", self, ids=lambda case: case.__name__)


def simulated_now() -> datetime:
    return EPOCH + timedelta(seconds=trio.current_time())


async def soon(condition: Callable[[], Awaitable[object]], within: float = 30.0) -> None:
    with trio.fail_after(within):
        while not await condition():
            await trio.sleep(0.05)


def run_simulated_ledger(case: LedgerCase) -> None:
    async def main() -> None:
        await case(MemoryLedger(simulated_now))

    trio.run(main, clock=MockClock(autojump_threshold=0))


def run_real_ledger(case: Callable[[PostgresLedger], Awaitable[None]], url: str) -> None:
    async def main(bridge: Bridge) -> None:
        ledger = PostgresLedger(bridge, url)
        await ledger.open()
        try:
            with trio.fail_after(60):
                await case(ledger)
        finally:
            await ledger.close()

    run_guest(main)


def run_simulated_queue(case: QueueCase) -> None:
    async def main() -> None:
        await case(MemoryQueue(lambda: simulated_now().timestamp(), AGING_SECONDS))

    trio.run(main, clock=MockClock(autojump_threshold=0))


def run_real_queue(case: Callable[[RedisQueue], Awaitable[None]], url: str) -> None:
    async def main(bridge: Bridge) -> None:
        queue = RedisQueue(bridge, url, "rh:test", AGING_SECONDS)
        try:
            with trio.fail_after(60):
                await case(queue)
        finally:
            await queue.close()

    run_guest(main)


def run_on_redis(case: Callable[[RedisConnection], Awaitable[None]], url: str) -> None:
    """Run a case on a connection to a real Redis, within a minute."""

    async def main(bridge: Bridge) -> None:
        connection = RedisConnection(bridge, url)
        try:
            with trio.fail_after(60):
                await case(connection)
        finally:
            await connection.close()

    run_guest(main)
