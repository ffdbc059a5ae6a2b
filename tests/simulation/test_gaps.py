"""After a gap in a host's events: one list, and a question for each container that has ended."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import MockClock

from runnerhub.model.job import Conclusion, Phase
from runnerhub.ports.errors import EngineRefused, EngineUnavailable
from runnerhub.sim.engine import SimEngine
from tests.simulation.cluster import Cluster, Life, spec

JOBS = 500


class Counting(SimEngine):
    """It counts what it is asked, and cuts its streams at will."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.asked: Counter[str] = Counter()
        self.asked_at: list[float] = []
        self.refuses = False
        self.under_way = self.most_under_way = 0

    async def begin(self, method: str) -> None:
        """Count it."""
        self.asked[method] += 1
        if method == "inspect_container":
            self.asked_at.append(trio.current_time())
            self.under_way += 1
            self.most_under_way = max(self.under_way, self.most_under_way)
            try:
                await trio.sleep(0.01)
            finally:
                self.under_way -= 1
            if self.refuses:
                raise EngineUnavailable("too busy")
        await super().begin(method)

    def forget(self) -> None:
        """Count from now."""
        self.asked.clear()
        self.asked_at.clear()
        self.most_under_way = 0


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[tuple[Cluster, Life, Counting, list[str]]]:
    cluster = Cluster(slots=JOBS, **settings)
    engine = cluster.engines["h1"] = Counting("h1")
    async with cluster.life() as life:
        ids = [(await life.hub.delegate(spec(n, "sleep 600"))).job.id for n in range(JOBS)]
        while (await cluster.ledger.queue_depths()).get(Phase.RUNNING) != JOBS:
            await trio.sleep(0.1)
        engine.forget()
        yield cluster, life, engine, ids
        life.kill()


async def lose_events(engine: SimEngine, life: Life, ended: int = 0) -> None:
    """Lose the stream for a moment, in which some containers end."""
    host = life.world.hosts["h1"]
    epoch = host.epoch
    engine.go_away()
    while host.reachable:
        await trio.sleep(0.01)
    for container in list(engine.world.containers.values())[:ended]:
        engine.world.kill(container)
    engine.come_back()
    while host.epoch == epoch:
        await trio.sleep(0.01)


async def test_nobody_asks_while_all_runs(autojump_clock: MockClock) -> None:
    async with running() as (_, _, engine, _):
        await trio.sleep(30)
        assert engine.asked["inspect_container"] == 0


async def test_after_a_gap_only_what_has_ended_is_asked_for(autojump_clock: MockClock) -> None:
    async with running() as (cluster, life, engine, ids):
        await lose_events(engine, life, ended=7)
        await trio.sleep(20)
        assert engine.asked["containers"] == 2  # the host's actor looks, and its sweep
        assert 7 <= engine.asked["inspect_container"] <= 14
        jobs = [await cluster.job(job_id) for job_id in ids]
        again = [job for job in jobs if job.attempt == 2]
        assert len(again) == 7
        assert {job.phase for job in again} == {Phase.RUNNING}
        assert {job.attempt for job in jobs} == {1, 2}


async def test_what_survived_a_gap_and_is_killed_after_it_failed_by_itself(
    autojump_clock: MockClock,
) -> None:
    async with running() as (cluster, life, engine, _):
        await lose_events(engine, life)
        engine.world.kill(next(iter(engine.world.containers.values())))
        await trio.sleep(20)
        depths = await cluster.ledger.queue_depths()
        assert depths == {Phase.RUNNING: JOBS - 1}
        failed = (await cluster.ledger.jobs(status=None, limit=JOBS)).jobs
        assert [j.conclusion for j in failed if j.conclusion] == [Conclusion.FAILURE]


async def test_trust_that_comes_back_is_no_reason_to_ask(autojump_clock: MockClock) -> None:
    async with running() as (cluster, _, engine, _):
        cluster.ledger.outage = True
        await trio.sleep(30)
        cluster.ledger.outage = False
        await trio.sleep(30)
        assert engine.asked["inspect_container"] == 0


async def test_questions_are_few_at_once_and_asked_again_out_of_step(
    autojump_clock: MockClock,
) -> None:
    async with running() as (cluster, life, engine, _):
        engine.refuses = True
        await lose_events(engine, life, ended=100)
        await trio.sleep(60)
        assert engine.most_under_way <= 8
        in_a_second = Counter(int(at) for at in engine.asked_at[-1000:])
        assert len(set(engine.asked_at)) > 100
        assert max(in_a_second.values()) < 500
        engine.refuses = False
        await trio.sleep(120)
        running_now = (await cluster.ledger.queue_depths()).get(Phase.RUNNING, 0)
        assert running_now >= JOBS - 100


async def test_an_engine_that_will_not_list_takes_no_other_host_along(
    autojump_clock: MockClock,
) -> None:
    class Grumpy(SimEngine):
        async def begin(self, method: str) -> None:
            if method == "containers":
                raise EngineRefused("layer does not exist")
            await super().begin(method)

    cluster = Cluster(hosts=2, host_lost_after=3600.0)
    cluster.engines["h1"] = Grumpy("h1")
    async with cluster.life() as life:
        job = (await life.hub.delegate(spec(1, "sleep 300"))).job
        await trio.sleep(200)
        assert (await cluster.job(job.id)).phase is Phase.RUNNING
        restarts = {node.name: node.restarts for node in life.hub.tree().children}
        assert set(restarts.values()) == {0}
        assert "layer does not exist" in (life.world.hosts["h1"].trouble or "")
        assert life.world.hosts["h2"].trouble is None


async def test_an_engine_that_hangs_with_its_stream_open_is_lost(
    autojump_clock: MockClock,
) -> None:
    class Hanging(SimEngine):
        hangs = False

        async def begin(self, method: str) -> None:
            await self.pass_time()
            await super().begin(method)

        async def pass_time(self, seconds: float = 0.0) -> None:
            if self.hangs:
                await trio.sleep(10)
                raise EngineUnavailable("no answer in time")
            await super().pass_time(seconds)

    cluster = Cluster(hosts=2)
    cluster.engines["h1"] = engine = Hanging("h1")
    async with cluster.life() as life:
        await trio.sleep(5)
        host = life.world.hosts["h1"]
        assert host.reachable
        engine.hangs = True
        ids = [(await life.hub.delegate(spec(n))).job.id for n in range(4)]
        jobs = await cluster.finished(life, *ids, within=300)
        assert [job.conclusion for job in jobs] == [Conclusion.SUCCESS] * 4
        assert {job.host for job in jobs} == {"h2"}
        assert {job.attempt for job in jobs} == {1, 2}
        assert host.lost
        engine.hangs = False
        await trio.sleep(120)
        assert host.reachable
    assert cluster.leftovers() == {}


async def test_a_job_outlives_an_engine_that_refuses_to_tell_for_a_while(
    autojump_clock: MockClock,
) -> None:
    class Short(SimEngine):
        is_short = False

        async def begin(self, method: str) -> None:
            if self.is_short and method == "inspect_container":
                raise EngineRefused("too many open files")
            await super().begin(method)

    cluster = Cluster()
    cluster.engines["h1"] = engine = Short("h1")
    async with cluster.life() as life:
        job_id = (await life.hub.delegate(spec(script="sleep 5"))).job.id
        await trio.sleep(2)
        engine.is_short = True
        await trio.sleep(20)
        engine.is_short = False
        (job,) = await cluster.finished(life, job_id)
    assert (job.conclusion, job.attempt) == (Conclusion.SUCCESS, 1)
