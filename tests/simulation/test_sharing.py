"""Jobs of several placement classes share the slots that they all may take."""

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from runnerhub.model.job import Phase
from runnerhub.sim.queue import MemoryQueue
from tests.simulation.cluster import Cluster, spec


async def test_what_got_no_slot_is_placed_as_soon_as_one_is_free(autojump_clock: MockClock) -> None:
    cluster = Cluster(slots=2)
    async with cluster.life() as life:
        wanted = [spec(n, labels=("linux",) if n % 2 else ()) for n in range(12)]
        ids = [(await life.hub.delegate(each)).job.id for each in wanted]
        began = trio.current_time()
        await cluster.finished(life, *ids, within=60)
        # Six rounds of little more than a second, and no claim that must expire first.
        assert trio.current_time() - began < 15
    assert cluster.leftovers() == {}


async def test_the_more_urgent_goes_first_whatever_its_class(autojump_clock: MockClock) -> None:
    cluster = Cluster(slots=1)
    async with cluster.life() as life:
        first = await life.hub.delegate(spec("first"))
        await trio.sleep(0.5)
        idle = [spec(f"idle-{n}", priority=10) for n in range(3)]
        urgent = [spec(f"urgent-{n}", labels=("linux",), priority=90) for n in range(3)]
        ids = [(await life.hub.delegate(each)).job.id for each in (*idle, *urgent)]
        await cluster.finished(life, first.job.id, *ids)
        at = {each: (await cluster.job(each)).timestamps["started"] for each in ids}
    assert max(at[each] for each in ids[3:]) < min(at[each] for each in ids[:3])


async def test_a_dispatcher_that_fails_while_it_gives_back_keeps_no_slot(
    autojump_clock: MockClock,
) -> None:
    class Failing(MemoryQueue):
        fails = True

        async def acknowledge(self, job_ids: Sequence[str]) -> None:
            if self.fails:
                self.fails = False
                raise LookupError("nobody expects this")
            await super().acknowledge(job_ids)

    cluster = Cluster(slots=1)
    cluster.queue = queue = Failing(trio.current_time)
    async with cluster.life() as life:
        life.world.claiming = False
        wanted = [spec("any"), spec("linux", labels=("linux",))]
        ids = [(await life.hub.delegate(each)).job.id for each in wanted]
        await trio.sleep(1)
        life.world.claiming = True
        await cluster.finished(life, *ids, within=120)
        assert not queue.fails
        assert not life.world.hosts["h1"].leasing
    assert cluster.leftovers() == {}


async def test_a_lost_attempt_is_followed_by_another_after_its_delay(
    autojump_clock: MockClock,
) -> None:
    cluster = Cluster(slots=1)
    async with cluster.life() as life:
        await trio.sleep(5)
        job_id = (await life.hub.delegate(spec(script="sleep 20"))).job.id
        while (await cluster.job(job_id)).phase is not Phase.RUNNING:
            await trio.sleep(0.1)
        engine = cluster.engines["h1"]
        for name in list(engine.world.containers):
            await engine.remove_container(name)
        began = trio.current_time()
        while (job := await cluster.job(job_id)).attempt == 1 or job.phase is not Phase.RUNNING:
            await trio.sleep(0.1)
        assert trio.current_time() - began < 4
        await cluster.finished(life, job_id)
    assert cluster.leftovers() == {}
