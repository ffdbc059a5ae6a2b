"""A node that takes a host over counts what runs there before it adds to it."""

from dataclasses import replace

import trio
from trio.testing import MockClock

from runnerhub.actors.tree import build_tree
from runnerhub.model.job import Phase
from runnerhub.runtime import Root
from tests.simulation.cluster import Cluster, living, spec

SLOTS = 4
BUSY = (Phase.LEASED, Phase.PROVISIONING, Phase.RUNNING)


async def test_a_host_that_is_taken_over_has_no_more_slots_than_before(
    autojump_clock: MockClock,
) -> None:
    cluster = Cluster(slots=SLOTS)
    first = await cluster.new_world()
    cluster.settings = replace(cluster.settings, node_id="node-2")
    second = await cluster.new_world()
    async with living(first, Root(build_tree(first).spec())) as one:
        await trio.sleep(2)
        async with living(second, Root(build_tree(second).spec())) as two:
            for number in range(3 * SLOTS):
                await one.hub.delegate(spec(number, "sleep 40"))
            await trio.sleep(10)
            one.kill()
            busy = []
            for _ in range(600):
                await trio.sleep(0.1)
                depths = await cluster.ledger.queue_depths()
                busy.append(sum(depths.get(phase, 0) for phase in BUSY))
            assert second.hosts["h1"].lease is not None
            assert max(busy) == SLOTS
            assert depths.get(Phase.QUEUED, 0) < 2 * SLOTS  # it went on
            two.kill()
