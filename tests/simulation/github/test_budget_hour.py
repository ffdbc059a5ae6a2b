"""Four nodes and one budget, for a simulated hour, with a demand of three times that budget."""

import random
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from runnerhub.model.budget import BudgetStrategy, Priority
from runnerhub.ports.github import RateLimited, Request
from runnerhub.sim.counters import MemoryCounters
from tests.simulation.github.fake import HOUR, FakeGitHub
from tests.simulation.github.nodes import Node, running

LIMIT = 5000
DISPATCH_BOUND = 2.0  # seconds that a dispatch call may wait for its permit


class Hour:
    """A demand of `times` the limit: a tenth of it dispatching, in bursts; the rest polls."""

    def __init__(self, strategy: BudgetStrategy, times: float = 3.0, seed: int = 7) -> None:
        self.github = FakeGitHub(LIMIT, seed=seed)
        self.counters = MemoryCounters()
        self.nodes = [
            Node(self.github, self.counters, f"n{n}", strategy=strategy) for n in range(4)
        ]
        self.rng = random.Random(seed)  # noqa: S311 - a simulation, no secret
        self.times = times
        self.waits: list[float] = []
        self.done = dict.fromkeys(Priority, 0)
        self.given_up = dict.fromkeys(Priority, 0)

    async def run(self, disturb: Callable[["Hour"], None] | None = None) -> None:
        every = HOUR / (LIMIT * self.times / len(self.nodes))
        async with running(*self.nodes), trio.open_nursery() as nursery:
            for node in self.nodes:
                nursery.start_soon(self._polls, node, every / 0.85)
                nursery.start_soon(self._jobs, node, every / 0.10)
                nursery.start_soon(self._reconciles, node, every / 0.05)
            if disturb is not None:
                await trio.sleep(HOUR / 3)
                disturb(self)
            await trio.sleep_until(HOUR - 1)
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


@pytest.mark.parametrize("strategy", BudgetStrategy)
async def test_an_hour_of_too_much_demand(
    strategy: BudgetStrategy, autojump_clock: MockClock
) -> None:
    hour = Hour(strategy)
    await hour.run()
    assert hour.github.violations == []
    assert hour.github.used() <= LIMIT
    [secondary] = hour.github.secondary.values()
    assert secondary.most_in_flight <= 100
    assert secondary.most_points <= 900
    assert hour.done[Priority.SYNC] > 0.3 * LIMIT
    if strategy is not BudgetStrategy.AGGRESSIVE:  # which keeps back less than is asked for here
        assert hour.given_up[Priority.DISPATCH] == 0
        assert max(hour.waits) <= DISPATCH_BOUND
