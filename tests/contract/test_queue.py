"""The port `JobQueue`: one suite, for the queue in memory and for Redis."""

import time

import pytest
import trio

from runnerhub.adapters.redis import RedisQueue
from runnerhub.ports.errors import QueueUnavailable
from runnerhub.ports.queue import JobQueue, QueueEntry
from runnerhub.sim.queue import MemoryQueue
from tests.contract.harness import (
    AGING_SECONDS,
    Cases,
    QueueCase,
    run_real_queue,
    run_simulated_queue,
    simulated_now,
    soon,
)
from tests.parts.redis import RedisServer

A, B = '[["linux"],0.0,0]', '[["gpu"],2.0,512]'

contract: Cases[QueueCase] = Cases()

LATER = int(time.time() * 1000) + 10**10  # in the future, so that nothing ages


def entry(
    job_id: str,
    repository: str = "o/r",
    *,
    priority: int = 50,
    at: int = 0,
    placement: str = A,
    delay: float = 0.0,
) -> QueueEntry:
    return QueueEntry(job_id, repository, placement, priority, LATER + at, delay)


async def claimed(queue: JobQueue, limit: int = 100, placement: str = A) -> list[str]:
    return [e.job_id for e in await queue.claim({placement: limit}, 30)]


@contract
async def what_is_pushed_is_claimed_once(queue: JobQueue) -> None:
    await queue.ping()
    pushed = [entry("j1", at=1), entry("j2", "ö/ü", placement=B, priority=7)]
    await queue.push(pushed)
    assert (await queue.look()).classes == {A: 1, B: 1}
    assert list(await queue.claim({A: 5, B: 5, "other": 5}, 30)) == pushed
    assert not await queue.claim({A: 5, B: 5}, 30)
    assert (await queue.look()).classes == {}
    assert await queue.known(["j1", "j2", "j3"]) == {"j1", "j2"}
    await queue.acknowledge(["j1", "j2", "j3"])
    assert await queue.known(["j1", "j2"]) == frozenset()
    for nothing in (await queue.claim({}, 1), await queue.known([])):
        assert not nothing
    await queue.push([])


@contract
async def a_mark_lasts(queue: JobQueue) -> None:
    assert (await queue.look()).mark is None
    await queue.mark("n1")
    await queue.push([entry("j1")])
    assert [(await queue.look()).mark, await claimed(queue)] == ["n1", ["j1"]]
    await queue.mark("n2")
    assert (await queue.look()).mark == "n2"
    await queue.acknowledge([])


@contract
async def what_is_known_stays_as_it_is(queue: JobQueue) -> None:
    await queue.push([entry("j1", priority=1), entry("j2", priority=2)])
    await queue.push([entry("j1", priority=90)])
    assert await claimed(queue, 1) == ["j2"]
    await queue.push([entry("j2", priority=90)])
    assert await claimed(queue) == ["j1"]
    await queue.push([entry("d", delay=60)])
    await queue.push([entry("d")])
    assert await claimed(queue) == []
    await queue.acknowledge(["j1"])
    await queue.push([entry("j1")])
    assert await claimed(queue) == ["j1"]


@contract
async def larger_priorities_go_first(queue: JobQueue) -> None:
    await queue.push([entry(f"j{p}", priority=p) for p in (0, 100, 50, 9)])
    assert await claimed(queue) == ["j100", "j50", "j9", "j0"]


@contract
async def waiting_raises_a_priority(queue: JobQueue) -> None:
    step = int(AGING_SECONDS * 1000)
    now = LATER - 10**10
    old = QueueEntry("old", "o/r", A, 10, now - 100 * step)
    await queue.push([entry("fresh", priority=60), old, entry("high", priority=200)])
    assert await claimed(queue) == ["high", "old", "fresh"]


@contract
async def repositories_take_turns_each_in_order(queue: JobQueue) -> None:
    await queue.push([entry(f"a{n}", "a", at=n) for n in (2, 0, 1, 3)])
    await queue.push([entry("b0", "b", at=9), entry("c1", "c", at=21), entry("c0", "c", at=20)])
    assert await claimed(queue, 2) == ["a0", "b0"]
    assert await claimed(queue) == ["c0", "a1", "c1", "a2", "a3"]


@contract
async def one_who_comes_again_waits_for_its_turn(queue: JobQueue) -> None:
    await queue.push([entry(f"a{n}", "a", at=n) for n in range(3)])
    order = []
    for n in range(3):
        await queue.push([entry(f"b{n}", "b")])
        order += await claimed(queue, 2)
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


@contract
async def limits_are_by_class(queue: JobQueue) -> None:
    await queue.push([entry(f"a{n}", at=n) for n in range(5)])
    await queue.push([entry(f"b{n}", placement=B, at=n) for n in range(5)])
    got = await queue.claim({A: 2, B: 1}, 30)
    assert [e.job_id for e in got] == ["a0", "a1", "b0"]
    assert (await queue.look()).classes == {A: 3, B: 4}
    assert not await queue.claim({A: 0}, 30)


@contract
async def a_delayed_entry_counts_once_due(queue: JobQueue) -> None:
    await queue.push([entry("d", delay=0.3)])
    assert (await queue.look()).classes == {}
    assert await claimed(queue) == []
    assert await queue.known(["d"]) == {"d"}
    await trio.sleep(0.4)
    assert (await queue.look()).classes == {A: 1}
    assert await claimed(queue) == ["d"]
    await queue.push([entry("e", delay=0.2)])
    await queue.acknowledge(["e"])
    await trio.sleep(0.3)
    assert await claimed(queue) == []


@contract
async def a_claim_comes_back_in_its_old_place(queue: JobQueue) -> None:
    await queue.push([entry(f"j{n}", at=n) for n in range(3)])
    await queue.claim({A: 1}, 0.2)
    assert await queue.restore_expired() == 0
    await trio.sleep(0.3)
    assert await claimed(queue, 0) == []
    assert await queue.restore_expired() == 1
    assert await queue.restore_expired() == 0
    assert (await queue.look()).classes == {A: 3}
    assert await claimed(queue) == ["j0", "j1", "j2"]


@contract
async def an_acknowledged_claim_does_not_come_back(queue: JobQueue) -> None:
    await queue.push([entry("j0"), entry("j1", at=1)])
    await queue.claim({A: 1}, 0.1)
    await queue.acknowledge(["j0"])
    await queue.acknowledge(["j1"])  # one that nobody had claimed
    await trio.sleep(0.2)
    assert await queue.restore_expired() == 0
    assert (await queue.look()).classes == {}
    assert await claimed(queue) == []


@contract
async def claimers_at_once_share(queue: JobQueue) -> None:
    await queue.push([entry(f"j{n}", f"r{n % 7}", at=n) for n in range(1200)])
    got: list[str] = []

    async def take() -> None:
        while taken := await claimed(queue, 25):
            got.extend(taken)

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(take)
    assert len(got) == len(set(got)) == 1200
    await queue.acknowledge(got)
    assert await queue.known(got) == frozenset()


@contract.parametrize()
def test_simulated(case: QueueCase) -> None:
    run_simulated_queue(case)


@pytest.mark.real
@contract.parametrize()
def test_redis(case: QueueCase, redis_url: str) -> None:
    run_real_queue(case, redis_url)


# ------------------------------------------------------------------ losses


async def test_a_simulated_queue_is_lost_and_away() -> None:
    queue = MemoryQueue(lambda: simulated_now().timestamp())
    await queue.push([entry("j")])
    queue.flush()
    assert await queue.known(["j"]) == frozenset()
    queue.outage = True
    with pytest.raises(QueueUnavailable):
        await queue.ping()


@pytest.mark.real
def test_redis_keeps_nothing_of_what_is_done(redis_server: RedisServer) -> None:
    async def case(queue: RedisQueue) -> None:
        await queue.push([entry(f"j{n}", f"r{n}", priority=n) for n in range(20)])
        await queue.push([entry("d", delay=60)])
        await queue.acknowledge(await claimed(queue))
        await queue.acknowledge(["d"])
        assert redis_server.execute("DBSIZE") == ":1"  # the counter of turns

    run_real_queue(case, redis_server.url())


@pytest.mark.real
def test_a_flushed_redis_is_filled_again(redis_server: RedisServer) -> None:
    async def case(queue: RedisQueue) -> None:
        await queue.push([entry("j")])
        redis_server.flush()
        redis_server.execute("SCRIPT FLUSH")
        assert await queue.known(["j"]) == frozenset()
        await queue.push([entry("j")])
        assert await claimed(queue) == ["j"]

    run_real_queue(case, redis_server.url())


@pytest.mark.real
def test_a_restart_of_redis_is_seen_and_ends(redis_server: RedisServer) -> None:
    async def case(queue: RedisQueue) -> None:
        await queue.push([entry("j1"), entry("j2", at=1)])
        redis_server.stop()
        for _ in range(2):
            with pytest.raises(QueueUnavailable):
                await queue.ping()
            with pytest.raises(QueueUnavailable):
                await queue.claim({A: 1}, 30)
        redis_server.start()

        async def answers() -> bool:
            try:
                await queue.ping()
            except QueueUnavailable:
                return False
            return True

        await soon(answers)
        assert await claimed(queue) == ["j1", "j2"]  # the script is sent again

    run_real_queue(case, redis_server.url())


@pytest.mark.real
@pytest.mark.slow
def test_a_frozen_redis_is_given_up_in_time(redis_server: RedisServer) -> None:
    async def case(queue: RedisQueue) -> None:
        await queue.push([entry("j1")])
        redis_server.pause()
        with trio.fail_after(15), pytest.raises(QueueUnavailable):
            await queue.ping()
        with trio.move_on_after(0.1) as scope:
            await queue.ping()
        assert scope.cancelled_caught
        redis_server.resume()
        assert await claimed(queue) == ["j1"]

    run_real_queue(case, redis_server.url())


@pytest.mark.real
def test_cancelled_calls_leave_the_answers_in_order(redis_server: RedisServer) -> None:
    async def case(queue: RedisQueue) -> None:
        await queue.push([entry(f"j{n}", at=n) for n in range(100)])

        async def disturb(n: int) -> None:
            with trio.move_on_after(0.0001 * n):
                await queue.look()

        for _ in range(10):
            async with trio.open_nursery() as nursery:
                for n in range(10):
                    nursery.start_soon(disturb, n)
                nursery.start_soon(queue.known, ["j1"])
            assert await queue.known(["j1", "no"]) == {"j1"}
            assert (await queue.look()).classes == {A: 100}
        assert len(await claimed(queue)) == 100

    run_real_queue(case, redis_server.url())
