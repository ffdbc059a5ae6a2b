"""Jobs of several placement classes share the slots that they all may take."""

import trio
from trio.testing import MockClock

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
