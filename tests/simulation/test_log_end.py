"""Who asks the ledger where a log ends: whoever goes on with it, and nobody else."""

import trio
from trio.testing import MockClock

from runnerhub.model.logs import LogCursor
from runnerhub.sim.ledger import MemoryLedger
from tests.simulation.cluster import Cluster, now, spec


class Asked(MemoryLedger):
    """It notes whose log was looked for."""

    def __init__(self) -> None:
        super().__init__(now)
        self.asked: list[str] = []

    async def log_end(self, job_id: str, attempt: int) -> tuple[int, LogCursor, int]:
        """Return where a log ends."""
        self.asked.append(job_id)
        return await super().log_end(job_id, attempt)


async def test_a_new_attempt_knows_that_its_log_is_empty(autojump_clock: MockClock) -> None:
    cluster, ledger = Cluster(), Asked()
    cluster.ledger = ledger
    async with cluster.life() as life:
        job_id = (await life.hub.delegate(spec(script="echo one"))).job.id
        await cluster.finished(life, job_id)
    assert ledger.asked == []
    assert [chunk.data for chunk in await ledger.log_chunks(job_id, 1)] == [b"one\n"]


async def test_an_adopted_attempt_goes_on_behind_what_is_there(autojump_clock: MockClock) -> None:
    cluster, ledger = Cluster(), Asked()
    cluster.ledger = ledger
    async with cluster.life() as life:
        script = "echo one; sleep 5; echo two"
        job_id = (await life.hub.delegate(spec(script=script))).job.id
        while not await ledger.log_chunks(job_id, 1):
            await trio.sleep(0.1)
        life.kill()
    async with cluster.life() as life:
        await cluster.finished(life, job_id)
    assert ledger.asked == [job_id]
    assert [chunk.data for chunk in await ledger.log_chunks(job_id, 1)] == [b"one\n", b"two\n"]
