"""Cancel, and detach, at every step that the scheduler gives a job's actor, one after the other.

An instrument counts the steps of the tasks of job actors. A first run tells how many there are;
then the life is lived again for each of them, and is disturbed there.
"""

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import pytest
import trio
from trio.testing import MockClock

from runnerhub.model.job import Conclusion, Job, Phase
from runnerhub.model.logs import LogCursor
from runnerhub.ports.errors import StaleFence
from runnerhub.runtime.ref import ReplyTo
from runnerhub.sim.ledger import MemoryLedger
from tests.simulation.cluster import Cluster, Life, now, spec

T = TypeVar("T")


class AtStep(trio.abc.Instrument):
    """Call back just before the given step of a task of an actor of a job."""

    def __init__(self, at: float, then: Callable[[], None]) -> None:
        self.steps = 0
        self._at = at
        self._then = then

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if _of_job(task):
            self.steps += 1
            if self.steps == self._at:
                self._then()


def _of_job(task: trio.lowlevel.Task) -> bool:
    coroutine: Any = task.coro
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None and frame.f_code.co_filename.endswith(("/job.py", "/logpump.py")):
            return True
        coroutine = getattr(coroutine, "cr_await", None)
    return False


class Gathered(MemoryLedger):
    """It writes a while after it was asked to, in order, also for those who have left."""

    def __init__(self) -> None:
        super().__init__(now)
        self._asked: list[tuple[Callable[[], Awaitable[Any]], ReplyTo[Any]]] = []
        self._busy = False

    async def _ask(self, write: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        reply: ReplyTo[T] = ReplyTo()
        self._asked.append((partial(write, *args, **kwargs), reply))
        if not self._busy:
            self._busy = True
            trio.lowlevel.spawn_system_task(self._work)
        return await reply.wait()

    async def _work(self) -> None:
        while self._asked:
            batch, self._asked = self._asked, []
            await trio.sleep(0.01)
            for write, reply in batch:
                try:
                    reply.send(await write())
                except StaleFence as error:
                    reply.fail(error)
        self._busy = False

    async def advance(self, *args: Any, **kwargs: Any) -> Job:
        return await self._ask(super().advance, *args, **kwargs)

    async def conclude(self, *args: Any, **kwargs: Any) -> Job:
        return await self._ask(super().conclude, *args, **kwargs)

    async def finish(self, *args: Any, **kwargs: Any) -> Job:
        return await self._ask(super().finish, *args, **kwargs)

    async def give_back(self, *args: Any, **kwargs: Any) -> Job:
        return await self._ask(super().give_back, *args, **kwargs)

    async def append_log(self, *args: Any, **kwargs: Any) -> None:
        await self._ask(super().append_log, *args, **kwargs)

    async def log_end(self, *args: Any, **kwargs: Any) -> tuple[int, LogCursor, int]:
        return await self._ask(super().log_end, *args, **kwargs)


LEDGERS = pytest.mark.parametrize("ledger", [lambda: MemoryLedger(now), Gathered])


async def live_once(
    at: float, disturb: Callable[[Life, str], None], ledger: Callable[[], MemoryLedger]
) -> tuple[int, Job, Cluster]:
    cluster = Cluster()
    cluster.ledger = ledger()
    job_id = ""
    lives: list[Life] = []
    instrument = AtStep(at, lambda: disturb(lives[-1], job_id))
    async with cluster.life() as life:
        lives.append(life)
        trio.lowlevel.add_instrument(instrument)
        accepted = await life.hub.delegate(spec(script="echo one; sleep 1; echo two"))
        job_id = accepted.job.id
        with trio.move_on_after(30):
            while (await cluster.job(job_id)).phase is not Phase.FINISHED:
                if life.scope.cancel_called:
                    break
                await trio.sleep(0.05)
    trio.lowlevel.remove_instrument(instrument)
    job = await cluster.job(job_id)
    if life.scope.cancel_called:
        written = await cluster.conclusions_written(job_id)
        assert written == (job.conclusion is not None)
        async with cluster.life() as recovered:
            (job,) = await cluster.finished(recovered, job_id, within=60)
    return instrument.steps, job, cluster


@LEDGERS
async def test_cancel_at_every_step(
    autojump_clock: MockClock, ledger: Callable[[], MemoryLedger]
) -> None:
    def cancel(life: Life, job_id: str) -> None:
        async def ask() -> None:
            await life.hub.cancel(job_id)

        trio.lowlevel.spawn_system_task(ask)

    steps, _, _ = await live_once(math.inf, cancel, ledger)
    assert steps > 30
    seen = set()
    for step in range(1, steps + 1):
        _, job, cluster = await live_once(step, cancel, ledger)
        assert job.phase is Phase.FINISHED, step
        assert await cluster.conclusions_written(job.id) == 1, step
        assert cluster.leftovers() == {}, step
        seen.add(job.conclusion)
    assert seen == {Conclusion.CANCELLED, Conclusion.SUCCESS}


@LEDGERS
async def test_detach_at_every_step(
    autojump_clock: MockClock, ledger: Callable[[], MemoryLedger]
) -> None:
    def kill(life: Life, _: str) -> None:
        life.kill()

    steps, _, _ = await live_once(math.inf, kill, ledger)
    assert steps > 30
    for step in range(1, steps + 1):
        _, job, cluster = await live_once(step, kill, ledger)
        assert job.conclusion is Conclusion.SUCCESS, (step, job)
        assert job.attempt == 1, (step, job)
        assert await cluster.conclusions_written(job.id) == 1, step
        assert cluster.leftovers() == {}, step
        chunks = await cluster.ledger.log_chunks(job.id, job.attempt)
        assert b"".join(chunk.data for chunk in chunks) == b"one\ntwo\n", step
