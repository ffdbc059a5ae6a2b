"""Four nodes and one budget, for a simulated hour, with a demand of three times that budget."""

import random
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from runnerhub.model.budget import Bucket, BudgetStrategy, Priority
from runnerhub.model.permit import Answer, Demand, Settlement, Standing
from runnerhub.ports.errors import QueueUnavailable
from runnerhub.ports.github import RateLimited, Request
from runnerhub.sim.counters import MemoryCounters
from tests.simulation.github.fake import HOUR, FakeGitHub
from tests.simulation.github.nodes import Node, running

LIMIT = 5000
DISPATCH_BOUND = 2.0  # seconds that a dispatch call may wait for its permit
ALONE_BOUND = 15.0  # where a node has a part of the rates only


class View:
    """The shared counters as one node sees them: it may be cut off."""

    def __init__(self, counters: MemoryCounters) -> None:
        self.counters = counters
        self.cut_off = False

    async def acquire(self, demand: Demand) -> Answer:
        self._look_through()
        return await self.counters.acquire(demand)

    async def settle(self, done: Settlement) -> Standing:
        self._look_through()
        return await self.counters.settle(done)

    async def look(self, bucket: Bucket, node: str) -> Standing:
        self._look_through()
        return await self.counters.look(bucket, node)

    def _look_through(self) -> None:
        if self.cut_off:
            raise QueueUnavailable("cut off")


class Hour:
    """A demand of three times the limit: a tenth of it dispatching, in bursts; the rest polls."""

    def __init__(self, strategy: BudgetStrategy, limit: int = LIMIT, seed: int = 7) -> None:
        self.github = FakeGitHub(limit, seed=seed)
        self.counters = MemoryCounters()
        self.views = [View(self.counters) for _ in range(4)]
        self.nodes = [
            Node(self.github, view, f"n{n}", strategy=strategy) for n, view in enumerate(self.views)
        ]
        self.rng = random.Random(seed)  # noqa: S311 - a simulation, no secret
        self.every = HOUR / (limit * 3.0 / 4)  # seconds between the calls of one node
        self.waits: list[float] = []
        self.done = dict.fromkeys(Priority, 0)
        self.given_up = dict.fromkeys(Priority, 0)

    async def run(self, disturb: Callable[["Hour"], Awaitable[None]] | None = None) -> None:
        """Run for an hour and some minutes, so that a new window begins."""
        async with running(*self.nodes), trio.open_nursery() as nursery:
            for node in self.nodes:
                nursery.start_soon(self._polls, node, self.every / 0.85)
                nursery.start_soon(self._jobs, node, self.every / 0.10)
                nursery.start_soon(self._reconciles, node, self.every / 0.05)
            begun_at = trio.current_time()
            if disturb is not None:
                await disturb(self)
            await trio.sleep_until(begun_at + HOUR + 300)
            nursery.cancel_scope.cancel()

    async def _polls(self, node: Node, every: float) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(self.rng.expovariate(1 / every))
                nursery.start_soon(self._call, node, "GET", "runs", Priority.SYNC)

    async def _reconciles(self, node: Node, every: float) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(self.rng.expovariate(1 / every))
                nursery.start_soon(self._call, node, "GET", "queued", Priority.RECONCILE)

    async def _jobs(self, node: Node, every: float) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                burst = self.rng.randint(1, 8)
                await trio.sleep(self.rng.expovariate(1 / (every * burst)))
                for number in range(burst):
                    method = "POST" if number % 2 == 0 else "DELETE"
                    nursery.start_soon(self._call, node, method, "jit", Priority.DISPATCH)

    async def _call(self, node: Node, method: str, kind: str, priority: Priority) -> None:
        request = Request(method, "/x", kind=kind, priority=priority, patience=60, cached=False)
        begun_at = trio.current_time()
        try:
            await node.gateway.call(request)
        except RateLimited:
            self.given_up[priority] += 1
        else:
            self.done[priority] += 1
        if priority is Priority.DISPATCH:
            self.waits.append(trio.current_time() - begun_at)

    def hold(self) -> None:
        """No limit was broken, by whatever GitHub counts."""
        assert self.github.violations == []
        [secondary] = self.github.secondary.values()
        assert secondary.most_in_flight <= 100
        assert secondary.most_points <= 900

    def dispatch_goes_on(self) -> None:
        assert self.given_up[Priority.DISPATCH] == 0
        assert max(self.waits) <= DISPATCH_BOUND


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "limit"),
    [
        (BudgetStrategy.ADAPTIVE, LIMIT),
        (BudgetStrategy.CONSERVATIVE, 2000),
        (BudgetStrategy.AGGRESSIVE, 2000),
    ],
)
async def test_an_hour_of_too_much_demand(
    strategy: BudgetStrategy, limit: int, autojump_clock: MockClock
) -> None:
    hour = Hour(strategy, limit)
    await hour.run()
    hour.hold()
    assert hour.done[Priority.SYNC] > 0.3 * limit
    if strategy is not BudgetStrategy.AGGRESSIVE:  # which keeps back less than is asked for here
        hour.dispatch_goes_on()


async def redis_is_away_to_the_end(hour: Hour) -> None:
    await trio.sleep(HOUR / 3)
    for view in hour.views:
        view.cut_off = True


async def redis_is_away_when_little_is_left(hour: Hour) -> None:
    await trio.sleep(HOUR * 0.85)
    for view in hour.views:
        view.cut_off = True


async def redis_comes_and_goes(hour: Hour) -> None:
    for _ in range(20):
        await trio.sleep(hour.rng.uniform(20, 200))
        hour.counters.outage = not hour.counters.outage
    hour.counters.outage = False


async def one_node_after_the_other_is_cut_off(hour: Hour) -> None:
    for view in hour.views[:2] * 3:
        await trio.sleep(200)
        view.cut_off = True
        await trio.sleep(300)
        view.cut_off = False


async def redis_forgets(hour: Hour) -> None:
    for _ in range(10):
        await trio.sleep(300)
        hour.counters.flush()


@pytest.mark.parametrize(
    "disturb",
    [
        redis_is_away_to_the_end,
        redis_is_away_when_little_is_left,
        redis_comes_and_goes,
        one_node_after_the_other_is_cut_off,
        redis_forgets,
    ],
)
async def test_an_hour_in_which_the_shared_counters_fail(
    disturb: Callable[[Hour], Awaitable[None]], autojump_clock: MockClock
) -> None:
    hour = Hour(BudgetStrategy.ADAPTIVE, limit=2000)
    await hour.run(disturb)
    hour.hold()
    # One that is cut off alone cannot know what the others leave: safety comes first, now and then.
    few = 0.01 * len(hour.waits) if disturb is one_node_after_the_other_is_cut_off else 0
    assert hour.given_up[Priority.DISPATCH] <= few
    assert sum(wait > ALONE_BOUND for wait in hour.waits) <= few
