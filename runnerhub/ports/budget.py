"""The port to the counters of rate limits, which all nodes share. Losing them loses nothing.

Every method may raise `Unavailable`: then a node goes on alone with its part
(`model/limiter.py`).
"""

from typing import Protocol

from runnerhub.model.budget import Bucket
from runnerhub.model.permit import Answer, Demand, Settlement, Standing


class BudgetCounters(Protocol):
    """The counters, each step atomic and by the store's clock."""

    async def acquire(self, demand: Demand) -> Answer:
        """Take a permit, or say how long to wait. Charges everything or nothing."""

    async def settle(self, done: Settlement) -> Standing:
        """Give a permit back and learn from the answer; return how the named bucket stands."""

    async def look(self, bucket: Bucket, node: str) -> Standing:
        """Return how a bucket stands, and let the node be seen."""
