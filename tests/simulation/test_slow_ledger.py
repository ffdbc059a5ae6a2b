"""A ledger that answers late: what it says may be over by the time it is heard."""

from collections.abc import Collection, Sequence

import pytest
import trio
from trio.testing import MockClock

from runnerhub.model.job import Job
from runnerhub.ports.ledger import LeaseJob, Standing
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.faults import Latency
from runnerhub.sim.ledger import MemoryLedger
from tests.simulation.cluster import Cluster, now, spec


class LateLedger(MemoryLedger):
    """Its list of active attempts is a second old when it arrives."""

    async def standing(
        self, hosts: Collection[str], after: str | None, limit: int
    ) -> Sequence[Standing]:
        """Return where the attempts stood."""
        found = await super().standing(hosts, after, limit)
        await trio.sleep(1.0)
        return found

    async def active(self, hosts: Collection[str], job_ids: Collection[str]) -> Sequence[Job]:
        """Return the attempts as they were."""
        found = await super().active(hosts, job_ids)
        await trio.sleep(1.0)
        return found


class LateAnswers(MemoryLedger):
    """It takes jobs at once, and says so half a second later."""

    async def lease_jobs(self, wanted: Sequence[LeaseJob]) -> Sequence[Job]:
        """Take jobs for hosts."""
        taken = await super().lease_jobs(wanted)
        await trio.sleep(0.5)
        return taken


async def test_a_job_that_ends_meanwhile_is_not_adopted_again(autojump_clock: MockClock) -> None:
    cluster = Cluster(slots=20)
    cluster.ledger = LateLedger(now)
    cluster.engines["h1"] = SimEngine("h1", latency=Latency(remove_container=0.5))
    async with cluster.life() as life:
        jobs = [
            (await life.hub.delegate(spec(n, script=f"sleep {n / 4}; exit 0"))).job.id
            for n in range(20)
        ]
        await cluster.finished(life, *jobs)
        await trio.sleep(5)
        assert sum(life.world.statistics.finished.values()) == 20
        assert not life.world.hosts["h1"].held
    assert cluster.leftovers() == {}


async def test_what_is_new_is_never_adopted(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(slots=5, recovery_every=0.05)
    cluster.ledger = LateAnswers(now)
    async with cluster.life() as life:
        jobs = [
            (await life.hub.delegate(spec(n, script=f"sleep {n % 4}; exit 0"))).job.id
            for n in range(60)
        ]
        await cluster.finished(life, *jobs)
        assert sum(life.world.statistics.finished.values()) == 60
    assert "job_adopted" not in capsys.readouterr().out
    assert cluster.leftovers() == {}
