"""A rate-limit bucket: lets calls through, in turn and within the budget.

    Admit ─▶ line ─▶ counters: may it? ─▶ yes: answer         Settle ─▶ counters
               ▲                        └▶ not before t ─┐    Withdraw ─▶ out of the line, or back
               └─────────────────────────────────────────┘

It asks the counters for the first of each lane only, so however many wait, that is one question
for each wait that has passed.
"""

import trio

from runnerhub.actors.github.counters import NodeCounters
from runnerhub.actors.github.desk import BucketState, GitHubOptions
from runnerhub.actors.github.messages import Admit, Settle, Withdraw
from runnerhub.model.budget import Bucket, Priority, curve
from runnerhub.model.permit import Answer, Demand, Settlement
from runnerhub.model.priority_line import Lane, PriorityLine
from runnerhub.model.secondary import IN_FLIGHT, READS, rates
from runnerhub.ports.github import RateLimited
from runnerhub.runtime import ActorContext, Stopped

MOST_WAITING = 1024
LOOK_SECONDS = 5.0
LEAST_PAUSE = 0.005
AGED_SECONDS = 30.0

Message = Admit | Withdraw | Settle


class BucketActor:
    """Let the calls of one bucket through.

    Args:
        options: strategy and limits.
        counters: this node's.
        state: the live record to write.
    """

    def __init__(self, options: GitHubOptions, counters: NodeCounters, state: BucketState) -> None:
        self._options = options
        self._counters = counters
        self._state = state

    @property
    def _bucket(self) -> Bucket:
        return self._state.bucket

    async def run(self, ctx: ActorContext[Message]) -> None:
        """Let calls through until stopped."""
        self._line: PriorityLine[Admit] = PriorityLine()
        self._not_before: dict[Lane, float] = {}
        self._settled: list[Settlement] = []
        self._look_at = trio.current_time()
        ctx.started()
        while True:
            with trio.move_on_after(self._pause()):
                try:
                    self._take(await ctx.receive())
                except Stopped:
                    return
            while True:
                try:
                    self._take(ctx.receive_nowait())
                except trio.WouldBlock:
                    break
            await self._settle()
            await self._look()
            await self._admit()
            self._state.waiting = len(self._line)

    def _take(self, message: Message) -> None:
        match message:
            case Settle(settlement):
                self._settled.append(settlement)
            case Withdraw(permit):
                waiting = next((each for each in self._line if each.permit == permit), None)
                if waiting is None:
                    self._settled.append(Settlement(permit, self._bucket, charged=False))
                else:
                    self._line.remove(waiting)
            case Admit():
                if len(self._line) >= MOST_WAITING:
                    message.reply_to.fail(RateLimited("full", 1.0))
                else:
                    write = "" if message.method in READS else message.kind
                    self._line.add((message.priority, write), message)

    async def _settle(self) -> None:
        settled, self._settled = self._settled, []
        for settlement in settled:
            standing = await self._counters.settle(settlement)
            if settlement.counted_in in {None, self._bucket}:
                self._state.stands(standing, trio.current_time())
            else:
                self._look_at = trio.current_time()  # the standing is that of another bucket
        if settled:
            # Room in flight, a window learned, a call given back: each may let somebody go.
            self._not_before.clear()

    async def _look(self) -> None:
        if trio.current_time() >= self._look_at:
            self._state.stands(await self._counters.look(self._bucket), trio.current_time())
            self._look_at = trio.current_time() + LOOK_SECONDS

    async def _admit(self) -> None:
        while (lane := self._next_lane()) is not None:
            first = self._line.head(lane)
            answer = await self._counters.acquire(self._demand(first))
            now = trio.current_time()
            self._state.stands(answer.standing, now)
            if answer.granted:
                self._line.take(lane)
                self._state.blocked.pop(first.priority, None)
                if first.priority is Priority.DISPATCH:
                    self._state.dispatching.note(1, now)
                first.reply_to.send(None)
            else:
                self._wait(lane, answer, now)

    def _next_lane(self) -> Lane | None:
        now = trio.current_time()
        lanes = self._line.lanes()
        return next((lane for lane in lanes if self._not_before.get(lane, 0.0) <= now), None)

    def _wait(self, lane: Lane, answer: Answer, now: float) -> None:
        until = now + max(LEAST_PAUSE, answer.wait)
        self._not_before[lane] = until
        self._state.blocked[lane[0]] = answer.why, until

    def _demand(self, call: Admit) -> Demand:
        standing, now = self._state.standing, trio.current_time()
        # Whoever has waited long is held to no narrower rates than those that overtook it.
        aged = now - call.asked_at >= AGED_SECONDS
        as_if = Priority.DISPATCH if aged else call.priority
        return Demand(
            call.permit,
            self._bucket,
            self._options.node_id,
            curve(
                self._options.strategy,
                call.priority,
                limit=max(1, standing.limit or 1),
                left=standing.left,
                dispatch_rate=self._state.dispatching.at(now) * standing.nodes,
            ),
            rates(self._options.limits, as_if, call.method, call.kind),
            IN_FLIGHT[as_if],
            call.free,
        )

    def _pause(self) -> float:
        now = trio.current_time()
        until = [self._not_before.get(lane, now) for lane in self._line.lanes()]
        return max(0.0, min([self._look_at, *until]) - now)
