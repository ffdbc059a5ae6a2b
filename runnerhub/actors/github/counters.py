"""The counters as a node uses them: shared while they answer, else its own part of them.

Going alone and coming back is for all buckets at once. What an answer says while the node is
alone is kept, and told to the shared counters before the node trusts them again.
"""

import math
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import trio

from runnerhub.actors.github.desk import Desk
from runnerhub.model.alone_limiter import AloneLimiter
from runnerhub.model.budget import Bucket
from runnerhub.model.permit import Answer, Demand, Reported, Settlement, Standing
from runnerhub.model.secondary import POINTS_AHEAD, POINTS_PER_SECOND
from runnerhub.ports.budget import BudgetCounters
from runnerhub.ports.errors import Unavailable
from runnerhub.runtime import Backoff

log = structlog.get_logger(__name__)

T = TypeVar("T")

ANSWER_SECONDS = 2.0
LOOK_AGAIN = Backoff(first=1.0, cap=15.0, jitter=0.2)
NODES_WHERE_UNKNOWN = 4


class NodeCounters:
    """The counters of one node.

    Args:
        desk: of the gateway.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._node = desk.options.node_id
        self._alone: AloneLimiter | None = None
        self._look_again_at = 0.0
        self._looks = 0
        self._rng = random.Random(random.getrandbits(64))  # noqa: S311 - jitter; replays when seeded
        self._last: dict[Bucket, tuple[Standing, float]] = {}
        self._reported: dict[Bucket, tuple[Reported, float]] = {}

    @property
    def _shared(self) -> BudgetCounters:
        return self._desk.counters

    @property
    def alone(self) -> bool:
        """Whether the shared counters are away."""
        return self._alone is not None

    async def acquire(self, demand: Demand) -> Answer:
        """Take a permit, or say how long to wait. Cancelling it may lose the permit."""
        answer = await self._do(
            lambda: self._shared.acquire(demand), lambda own, now: own.acquire(demand, now)
        )
        self._note(demand.bucket, answer.standing)
        return answer

    async def settle(self, done: Settlement) -> Standing:
        """Give a permit back and learn from the answer."""
        where = done.counted_in or done.bucket
        if done.reported is not None:
            self._reported[where] = done.reported, trio.current_time()
        standing = await self._do(
            lambda: self._shared.settle(done), lambda own, now: own.settle(done, now)
        )
        self._note(where, standing)
        return standing

    async def look(self, bucket: Bucket) -> Standing:
        """Return how a bucket stands, and let this node be seen."""
        standing = await self._do(
            lambda: self._shared.look(bucket, self._node),
            lambda own, now: own.look(bucket, self._node, now),
        )
        self._note(bucket, standing)
        return standing

    async def _do(
        self, together: Callable[[], Awaitable[T]], alone: Callable[[AloneLimiter, float], T]
    ) -> T:
        while True:
            if await self._together():
                try:
                    return await _bounded(together)
                except Unavailable as error:
                    self._part(error)
            if self._alone is not None:  # else another task has come back together meanwhile
                return alone(self._alone, trio.current_time())

    def _note(self, bucket: Bucket, standing: Standing) -> None:
        if self._alone is None:
            self._last[bucket] = standing, trio.current_time()

    async def _together(self) -> bool:
        if self._alone is None:
            return True
        if trio.current_time() < self._look_again_at:
            return False
        self._look_again_at = math.inf  # one task looks; the others go on meanwhile
        try:
            await _bounded(self._report)
        except Unavailable:
            return False
        finally:
            self._look_again_later()
        self._alone = None
        log.info("the shared counters are back", action="github_together")
        return True

    def _look_again_later(self) -> None:
        self._looks += 1
        self._look_again_at = trio.current_time() + LOOK_AGAIN.delay(self._looks, self._rng)

    async def _report(self) -> None:
        await self._shared.look(Bucket("", ""), self._node)
        for bucket, (said, at) in tuple(self._reported.items()):
            left = said.left - (trio.current_time() - at)
            if left > 0:
                report = Reported(said.limit, said.remaining, said.resets, left)
                await self._shared.settle(Settlement("", bucket, reported=report, answered=True))

    def _part(self, error: Unavailable) -> None:
        if self._alone is not None:
            return
        now = trio.current_time()
        nodes = max((s.nodes for s, _ in self._last.values()), default=NODES_WHERE_UNKNOWN)
        log.warning("spends its own part", action="github_alone", nodes=nodes, why=str(error))
        self._alone = AloneLimiter(nodes)
        self._looks = 0
        self._look_again_later()
        for bucket, (standing, at) in self._last.items():
            age = now - at
            if standing.left > age and standing.limit is not None:
                resets = self._reported[bucket][0].resets if bucket in self._reported else 0
                drawn = int(max(POINTS_AHEAD.values()) + POINTS_PER_SECOND * age)
                then = Standing(
                    standing.limit, standing.remaining, standing.left - age, nodes, standing.silent
                )
                self._alone.inherit(
                    bucket,
                    then,
                    resets,
                    drawn if nodes > 1 else 0,
                    now,
                    rate=self._desk.state(bucket).drawn.at(now),
                    age=age,
                )


async def _bounded(step: Callable[[], Awaitable[T]]) -> T:
    with trio.move_on_after(ANSWER_SECONDS):
        return await step()
    raise Unavailable("the shared counters do not answer in time")
