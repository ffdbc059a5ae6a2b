"""A job's life leaves nothing behind that only the collector could find."""

import gc

import trio
from trio.testing import MockClock

from tests.simulation.cluster import Cluster, Life, spec

JOBS = 50


async def live(cluster: Cluster, life: Life, generation: int) -> None:
    ids = [
        (await life.hub.delegate(spec(f"{generation}-{n}", "echo x; sleep 1"))).job.id
        for n in range(JOBS)
    ]
    await cluster.finished(life, *ids)
    await trio.sleep(5)


async def test_jobs_make_no_garbage_in_cycles(autojump_clock: MockClock) -> None:
    cluster = Cluster(slots=20)
    async with cluster.life() as life:
        await live(cluster, life, 0)
        gc.collect()
        gc.disable()
        try:
            await live(cluster, life, 1)
            found = gc.collect()
        finally:
            gc.enable()
    assert found < JOBS
