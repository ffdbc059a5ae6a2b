"""Counters of rate limits in memory, for tests under a mock clock."""

from collections.abc import Callable

import trio

from runnerhub.model.budget import Bucket
from runnerhub.model.limiter import Limiter
from runnerhub.model.permit import Answer, Demand, Settlement, Standing
from runnerhub.ports.errors import QueueUnavailable


class MemoryCounters:
    """Counters that several nodes share.

    Args:
        clock: seconds on any clock that runs evenly.

    Attributes:
        outage: whether it answers nobody.
    """

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._limiter = Limiter()
        self.outage = False

    def flush(self) -> None:
        """Forget everything, as a Redis without persistence does."""
        self._limiter = Limiter()

    async def acquire(self, demand: Demand) -> Answer:
        """Take a permit, or say how long to wait."""
        await self._enter()
        return self._limiter.acquire(demand, self._clock())

    async def settle(self, done: Settlement) -> Standing:
        """Give a permit back and learn from the answer."""
        await self._enter()
        return self._limiter.settle(done, self._clock())

    async def look(self, bucket: Bucket, node: str) -> Standing:
        """Return how a bucket stands, and let the node be seen."""
        await self._enter()
        return self._limiter.look(bucket, node, self._clock())

    async def _enter(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.outage:
            raise QueueUnavailable("the simulated Redis does not answer")
