"""A simulated hour of four nodes that want three times what one credential may call.

Every strategy meets the same calls at the same seconds, so that only what it makes of them differs.
"""

import random
from dataclasses import dataclass
from itertools import count

import trio

from runnerhub.model.budget import BudgetStrategy, Priority
from runnerhub.ports.github import Authorization, RateLimited, Request, Response
from runnerhub.sim.counters import MemoryCounters
from tests.simulation.github.fake import HOUR, FakeGitHub
from tests.simulation.github.nodes import Node, running

NODES = 4
DEMAND = 3.0  # of the limit
SHARES = {Priority.DISPATCH: 0.10, Priority.RECONCILE: 0.05, Priority.SYNC: 0.85}
BURST = 0.08  # of the limit, out of what DISPATCH asks for
BURST_BEGIN, BURST_SECONDS = HOUR / 2, 240.0
PATIENCE = {Priority.DISPATCH: 300.0, Priority.RECONCILE: 60.0, Priority.SYNC: 60.0}
SAMPLE_SECONDS = 20.0


@dataclass(slots=True)
class Call:
    """A call that somebody asks for; times in seconds since the hour began.

    Attributes:
        sent_at: when it went to GitHub; None as long as it has not.
        given_up_at: when the gateway refused it.
    """

    priority: Priority
    asked_at: float
    sent_at: float | None = None
    given_up_at: float | None = None

    @property
    def waited(self) -> float:
        """Seconds until it was sent or given up; 0 while neither has happened."""
        ended_at = self.given_up_at if self.sent_at is None else self.sent_at
        return 0.0 if ended_at is None else ended_at - self.asked_at


def demand(limit: int, seed: int) -> list[Call]:
    """Return the calls of an hour by time: evenly at random, and DISPATCH's burst in the middle."""
    rng = random.Random(seed)  # noqa: S311 - a simulation, no secret
    burst = round(limit * BURST)
    calls = [
        Call(priority, rng.uniform(0.0, HOUR))
        for priority, share in SHARES.items()
        for _ in range(round(limit * DEMAND * share) - burst * (priority is Priority.DISPATCH))
    ]
    calls += [
        Call(Priority.DISPATCH, BURST_BEGIN + rng.uniform(0.0, BURST_SECONDS)) for _ in range(burst)
    ]
    return sorted(calls, key=lambda call: call.asked_at)


class Watched(FakeGitHub):
    """Notes on each call when it was sent."""

    def __init__(self, limit: int, seed: int, calls: list[Call], began_at: float) -> None:
        super().__init__(limit, seed=seed)
        self._asked, self._began_at = calls, began_at

    async def send(
        self, request: Request, authorization: Authorization, etag: str | None = None
    ) -> Response:
        """Answer, or refuse."""
        self._asked[int(request.params["call"])].sent_at = trio.current_time() - self._began_at
        return await super().send(request, authorization, etag)


class Hour:
    """The hour under one strategy: `await run()`, in a loop with a mock clock.

    Attributes:
        calls: all that were asked for, with what came of them.
        remaining: (second, calls left by GitHub's own count), the last just before the reset.
        reset_at: the second at which the window ended.
        github: what was refused is in its `violations`.
    """

    def __init__(self, strategy: BudgetStrategy, limit: int, seed: int) -> None:
        self.calls = demand(limit, seed)
        self.remaining: list[tuple[float, int]] = []
        self.reset_at = HOUR
        self._began_at = trio.current_time()
        self.github = Watched(limit, seed, self.calls, self._began_at)
        counters = MemoryCounters()
        self._nodes = [
            Node(self.github, counters, f"n{number}", strategy=strategy) for number in range(NODES)
        ]

    async def run(self) -> None:
        """Run to the reset, and on until nobody waits any more."""
        async with running(*self._nodes), trio.open_nursery() as nursery:
            nursery.start_soon(self._sample)
            for number, call in enumerate(self.calls):
                await trio.sleep_until(self._began_at + call.asked_at)
                nursery.start_soon(self._ask, number, call)

    async def _ask(self, number: int, call: Call) -> None:
        write = "POST" if number % 2 else "DELETE"
        request = Request(
            write if call.priority is Priority.DISPATCH else "GET",
            "/x",
            {"call": number},
            kind=call.priority.name.lower(),
            priority=call.priority,
            patience=PATIENCE[call.priority],
            cached=False,
        )
        try:
            await self._nodes[number % NODES].gateway.call(request)
        except RateLimited:
            call.given_up_at = trio.current_time() - self._began_at

    async def _sample(self) -> None:
        for number in count():
            at = number * SAMPLE_SECONDS
            for window in self.github.windows.values():
                self.reset_at = window.resets_at - self._began_at
            last = at >= self.reset_at
            at = min(at, self.reset_at - 0.001)
            await trio.sleep_until(self._began_at + at)
            used = sum(window.used for window in self.github.windows.values())
            self.remaining.append((at, self.github.limit - used))
            if last:
                return
