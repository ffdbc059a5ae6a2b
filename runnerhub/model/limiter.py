"""The counters of rate limits, in memory. Pure: told the time, on any clock that runs evenly.

The script in `adapters/redis/budget.lua` does the same for all nodes; one contract suite holds
both. A node without Redis uses that of `alone_limiter.py`.

    credential   silence · rates · calls in flight       the secondary limits
    bucket       limit · remaining · reset · in flight   the primary limit
"""

from dataclasses import dataclass, field

from runnerhub.model.budget import Bucket
from runnerhub.model.permit import Answer, Demand, Reported, Settlement, Standing, window_of
from runnerhub.model.secondary import silence

POLL_SECONDS = 0.25  # for what ends at no known time
SAME_WINDOW = 5  # seconds by which GitHub's times of one reset may differ
NODE_SECONDS = 30.0  # a node that was seen within this counts
UNLIMITED = -1


def _primary(demand: Demand, bucket: "BucketCount", now: float) -> tuple[float, str]:
    if bucket.limit is None:
        return (POLL_SECONDS if bucket.in_flight else 0.0), "unknown"
    if bucket.limit < 0:
        return 0.0, "budget"
    left, window = bucket.reset_at - now, window_of(demand.bucket.resource)
    return demand.curve.wait(bucket.limit, bucket.remaining, left, window), "budget"


@dataclass(slots=True)
class _Credential:
    silent_until: float = 0.0
    strikes: int = 0
    arrivals: dict[str, float] = field(default_factory=dict)
    in_flight: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class BucketCount:
    """What is counted of a bucket.

    Attributes:
        limit: None while unknown.
        resets: GitHub's time of the reset, which tells windows apart.
        rolled: its reset has passed, and nobody has reported the new window yet.
        sole: the permit beside which no other was under way so far; its answer knows all.
    """

    limit: int | None = None
    remaining: int = 0
    resets: int = 0
    reset_at: float = 0.0
    rolled: bool = False
    sole: str | None = None
    in_flight: dict[str, float] = field(default_factory=dict)


class Limiter:
    """The counters of all credentials."""

    def __init__(self) -> None:
        self._credentials: dict[str, _Credential] = {}
        self._buckets: dict[Bucket, BucketCount] = {}
        self._nodes: dict[str, float] = {}

    def acquire(self, demand: Demand, now: float) -> Answer:
        """Take a permit, or say how long to wait. Charges everything or nothing."""
        credential, bucket = self._at(demand.bucket, now)
        self._nodes[demand.node] = now
        waits = [
            (credential.silent_until - now, "silence"),
            (POLL_SECONDS if len(credential.in_flight) >= demand.in_flight else 0.0, "in_flight"),
        ]
        waits += [(r.wait(credential.arrivals.get(r.key, 0.0), now), "rate") for r in demand.rates]
        if not demand.free:
            waits.append(_primary(demand, bucket, now))
        wait, why = max(waits)
        if wait > 1e-9:  # noqa: PLR2004 - what rounding leaves is no wait
            return Answer(
                granted=False,
                wait=wait,
                why=why,
                standing=self.look(demand.bucket, demand.node, now),
            )
        for rate in demand.rates:
            arrival = credential.arrivals.get(rate.key, 0.0)
            credential.arrivals[rate.key] = rate.after(arrival, now)
        credential.in_flight[demand.permit] = now + demand.expires
        if not demand.free:
            bucket.sole = None if bucket.in_flight else demand.permit
            bucket.in_flight[demand.permit] = now + demand.expires
            bucket.remaining -= 1
        return Answer(
            granted=True, wait=0.0, why="", standing=self.look(demand.bucket, demand.node, now)
        )

    def settle(self, done: Settlement, now: float) -> Standing:
        """Give a permit back and learn from the answer; return how the bucket stands."""
        credential, bucket = self._at(done.bucket, now)
        credential.in_flight.pop(done.permit, None)
        held = bucket.in_flight.pop(done.permit, None) is not None
        counted_in = done.counted_in or done.bucket
        if held and (not done.charged or counted_in != done.bucket):
            bucket.remaining = min(bucket.remaining + 1, bucket.limit or 0)
        _, counted = self._at(counted_in, now)
        if counted_in != done.bucket and done.charged and counted.limit is not None:
            counted.remaining -= 1
        if done.reported is not None:
            self._adopt(counted, done.reported, done.permit, now)
        elif done.answered and counted.limit is None:
            counted.limit = UNLIMITED
        if done.refused:
            if now >= credential.silent_until:  # one strike, however many were under way
                credential.strikes += 1
            until = now + silence(max(1, credential.strikes), done.retry_after)
            credential.silent_until = max(credential.silent_until, until)
        elif done.answered and now >= credential.silent_until:
            credential.strikes = 0
        return self.look(counted_in, None, now)

    def look(self, where: Bucket, node: str | None, now: float) -> Standing:
        """Return how a bucket stands, and let a node be seen."""
        credential, bucket = self._at(where, now)
        if node is not None:
            self._nodes[node] = now
        nodes = sum(seen > now - NODE_SECONDS for seen in self._nodes.values())
        return Standing(
            bucket.limit,
            max(0, bucket.remaining) if bucket.limit is not None else 0,
            max(0.0, bucket.reset_at - now),
            max(1, nodes),
            max(0.0, credential.silent_until - now),
        )

    def _at(self, where: Bucket, now: float) -> tuple[_Credential, BucketCount]:
        credential = self._credentials.setdefault(where.credential, _Credential())
        bucket = self._buckets.setdefault(where, BucketCount())
        for flying in (credential.in_flight, bucket.in_flight):
            for permit in [permit for permit, until in flying.items() if until <= now]:
                del flying[permit]
        if bucket.limit is not None and bucket.limit >= 0 and now >= bucket.reset_at:
            bucket.remaining = bucket.limit - len(bucket.in_flight)
            bucket.reset_at = now + window_of(where.resource)
            bucket.rolled = True
        return credential, bucket

    def _adopt(self, bucket: BucketCount, said: Reported, permit: str, now: float) -> None:
        others = len(bucket.in_flight)
        if bucket.limit is None or bucket.limit < 0 or said.resets > bucket.resets + SAME_WINDOW:
            most = bucket.remaining if bucket.rolled else said.remaining
            bucket.limit, bucket.remaining = said.limit, min(most, said.remaining - others)
            bucket.resets, bucket.reset_at, bucket.rolled = said.resets, now + said.left, False
        elif not bucket.rolled and said.resets >= bucket.resets - SAME_WINDOW:
            bucket.limit = said.limit
            # Each is too late rather than too early, by what the answer took on its way.
            bucket.reset_at = min(bucket.reset_at, now + said.left)
            if bucket.sole == permit:
                bucket.remaining = said.remaining
            else:
                bucket.remaining = min(bucket.remaining, said.remaining - others)
