"""Statements that are made together: for all that was asked while the last one was under way.

    asked ──▶ ┌ the next batch ┐ ──when the last has ended──▶ one statement ──▶ each its own answer

A lone question goes out at once. Under load a statement, a connection, a commit and a crossing of
the bridge are shared by all who ask, where each of them costs more than the answer.
"""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.runtime.bridge import Bridge
from runnerhub.runtime.ref import ReplyTo

if TYPE_CHECKING:
    import asyncio

A = TypeVar("A")
V = TypeVar("V")
Batch = Sequence[tuple[A, ReplyTo[V], float]]  # and when it was asked, by the host loop

# In an outage each batch takes its time to fail, and more may ask than it holds.
PATIENCE_SECONDS = 15.0


class Gathering(Generic[A, V]):
    """Have what many ask done together.

    Args:
        bridge: to the loop that the statements run on.
        work: an asyncio function that does what some ask, and returns an answer or an error for
            each, in their order. It is bounded. What it raises is everybody's if the ledger is
            unavailable, theirs too who wait for long; otherwise each is done again alone, so that
            one spoils nothing for others.
        apart: of two that have this in common the later is done after the earlier has ended.
        most: so many are done together.
    """

    def __init__(
        self,
        bridge: Bridge,
        work: Callable[[Sequence[A]], Awaitable[Sequence[V | Exception]]],
        *,
        apart: Callable[[A], Hashable] | None = None,
        most: int = 256,
    ) -> None:
        self._bridge = bridge
        self._work = work
        self._apart = apart
        self._most = most
        self._waiting: list[tuple[A, ReplyTo[V], float]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, what: A) -> V:
        """Have something done, now or later, and return the answer, or raise the error.

        Cancelling it takes nothing back: it may be done afterwards, before what is asked later.
        """
        reply: ReplyTo[V] = ReplyTo()
        self._waiting.append((what, reply, self._bridge.loop.time()))
        if self._task is None:
            self._task = self._bridge.start_task(self._run())
        return await reply.wait()

    async def close(self) -> None:
        """End what is under way; who waits for it is told. Harmless when repeated."""
        if (task := self._task) is not None:
            await self._bridge.end_task(task)
            if task.done() and self._task is task:
                self._end([])  # a task that is cancelled before its first step runs nothing

    async def _run(self) -> None:
        batch: Batch[A, V] = []
        try:
            while batch := self._next():
                await self._answer(batch)
        finally:
            self._end(batch)

    def _end(self, batch: Batch[A, V]) -> None:
        self._task = None
        left, self._waiting = [*batch, *self._waiting], []
        for _, reply, _ in left:
            reply.fail(LedgerUnavailable("the ledger was closed"))  # none is left but then

    def _next(self) -> Batch[A, V]:
        if self._apart is None:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            return batch
        batch, later, taken = [], [], set[Hashable]()
        for each in self._waiting:
            key = self._apart(each[0])
            if key in taken or len(batch) == self._most:
                later.append(each)
            else:
                batch.append(each)
            taken.add(key)
        self._waiting = later
        return batch

    def _overdue(self) -> Batch[A, V]:
        before = self._bridge.loop.time() - PATIENCE_SECONDS
        found = [each for each in self._waiting if each[2] <= before]
        self._waiting = [each for each in self._waiting if each[2] > before]
        return found

    async def _answer(self, batch: Batch[A, V]) -> None:
        try:
            answers = await self._work([what for what, _, _ in batch])
        except LedgerUnavailable as error:
            batch = [*batch, *self._overdue()]
            # One each, because an error gathers the tracebacks of all that raise it.
            answers = [LedgerUnavailable(*error.args) for _ in batch]
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked
            if len(batch) > 1:
                for each in batch:
                    await self._answer([each])
                return
            answers = [error]
        for (_, reply, _), answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                reply.fail(answer)
            else:
                reply.send(answer)
