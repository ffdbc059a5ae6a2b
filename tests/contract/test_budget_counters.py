"""The port `BudgetCounters`: one suite, for the counters in memory and for Redis."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from runnerhub.adapters.redis.budget import RedisCounters
from runnerhub.model.budget import Bucket, Curve
from runnerhub.model.permit import Answer, Demand, Reported, Settlement, Standing
from runnerhub.model.secondary import Rate
from runnerhub.ports.budget import BudgetCounters
from runnerhub.ports.errors import QueueUnavailable
from runnerhub.sim.counters import MemoryCounters
from tests.contract.harness import Cases, run_on_redis
from tests.parts.redis import RedisServer

Case = Callable[[BudgetCounters], Awaitable[None]]

CORE, SEARCH = Bucket("c", "core"), Bucket("c", "search")
RESETS = 1_800_000_000

contract: Cases[Case] = Cases()


async def ask(
    counters: BudgetCounters, bucket: Bucket = CORE, node: str = "n1", **more: object
) -> tuple[str, Answer]:
    permit = secrets.token_hex(4)
    demand = replace(Demand(permit, bucket, node, in_flight=90), **more)  # type: ignore[arg-type]
    return permit, await counters.acquire(demand)


async def taken(counters: BudgetCounters, bucket: Bucket = CORE, **more: object) -> str:
    permit, answer = await ask(counters, bucket, **more)  # type: ignore[arg-type]
    assert answer.granted, answer
    return permit


async def refused(counters: BudgetCounters, bucket: Bucket = CORE, **more: object) -> Answer:
    _, answer = await ask(counters, bucket, **more)  # type: ignore[arg-type]
    assert not answer.granted
    assert answer.wait > 0
    return answer


def said(remaining: int, limit: int = 100, resets: int = RESETS, left: float = 1800.0) -> Reported:
    return Reported(limit, remaining, resets, left)


async def settled(
    counters: BudgetCounters, permit: str, report: Reported | None = None, **more: object
) -> Standing:
    done = Settlement(permit, CORE, reported=report, answered=True)
    return await counters.settle(replace(done, **more))  # type: ignore[arg-type]


async def learned(counters: BudgetCounters, remaining: int, **more: object) -> None:
    report = said(remaining, **more)  # type: ignore[arg-type]
    standing = await settled(counters, await taken(counters), report)
    assert (standing.limit, standing.remaining) == (report.limit, remaining)


@contract
async def an_unknown_bucket_lets_one_call_learn(counters: BudgetCounters) -> None:
    permit = await taken(counters)
    assert (await refused(counters)).why == "unknown"
    await taken(counters, SEARCH)
    standing = await settled(counters, permit, said(50))
    assert (standing.limit, standing.remaining, standing.nodes) == (100, 50, 1)
    assert standing.left == pytest.approx(1800, abs=1)
    for _ in range(3):
        await taken(counters)
    assert (await counters.look(CORE, "n2")).remaining == 47
    assert (await counters.look(CORE, "n2")).nodes == 2


@contract
async def a_call_that_failed_lets_the_next_learn(counters: BudgetCounters) -> None:
    permit = await taken(counters)
    await settled(counters, permit, None, answered=False)
    assert (await counters.look(CORE, "n1")).limit is None
    await taken(counters)


@contract
async def a_server_that_names_no_limit_has_none(counters: BudgetCounters) -> None:
    assert (await settled(counters, await taken(counters))).limit == -1
    for _ in range(20):
        await taken(counters)
    await settled(counters, await taken(counters), said(7))
    assert (await counters.look(CORE, "n1")).limit == 100


@contract
async def a_floor_holds_and_falls_with_the_window(counters: BudgetCounters) -> None:
    await learned(counters, 60)
    half = Curve(0.1, 0.8)  # half of an hour is left: 0.1 + 0.4
    for _ in range(10):
        await taken(counters, curve=half)
    answer = await refused(counters, curve=half)
    assert answer.why == "budget"
    assert answer.wait == pytest.approx(0.01 / 0.8 * 3600, rel=0.1)
    await taken(counters)
    blocked = await refused(counters, curve=Curve(0.9, 0.0))
    assert blocked.wait == pytest.approx(1800, abs=2)
    for _ in range(49):
        await taken(counters)
    assert (await refused(counters)).why == "budget"
    assert (await counters.look(CORE, "n1")).remaining == 0


@contract
async def what_answers_say_never_raises_what_is_left(counters: BudgetCounters) -> None:
    await learned(counters, 60)
    permits = [await taken(counters) for _ in range(4)]
    # The first to come back was counted first: three are under way and not counted there yet.
    assert (await settled(counters, permits[0], said(59))).remaining == 56
    assert (await settled(counters, permits[3], said(56))).remaining == 54
    assert (await settled(counters, permits[1], said(58))).remaining == 54
    assert (await settled(counters, permits[2], said(57))).remaining == 54
    # Nobody else was under way: GitHub's number is the truth.
    assert (await settled(counters, await taken(counters), said(55))).remaining == 55
    assert (await settled(counters, await taken(counters), said(20))).remaining == 20
    assert (await settled(counters, "hearsay", said(40))).remaining == 20


@contract
async def what_costs_nothing_is_given_back(counters: BudgetCounters) -> None:
    await learned(counters, 60)
    permits = [await taken(counters) for _ in range(3)]
    assert (await settled(counters, permits[0], None, charged=False)).remaining == 58
    assert (await settled(counters, permits[0], None, charged=False)).remaining == 58
    await taken(counters, free=True)
    assert (await counters.look(CORE, "n1")).remaining == 58


@contract
async def a_wrong_guess_of_the_resource_is_put_right(counters: BudgetCounters) -> None:
    await learned(counters, 60)
    permit = await taken(counters)
    report = said(9, 10, left=30.0)
    standing = await settled(counters, permit, report, counted_in=SEARCH)
    assert (standing.limit, standing.remaining) == (10, 9)
    assert (await counters.look(CORE, "n1")).remaining == 60
    permit = await taken(counters)
    standing = await settled(counters, permit, said(8, 10, left=30.0), counted_in=SEARCH)
    assert standing.remaining == 8


@contract
async def a_window_passes(counters: BudgetCounters) -> None:
    await learned(counters, 1, left=0.4)
    late = await taken(counters)
    await refused(counters)
    await trio.sleep(0.6)
    permit = await taken(counters)
    standing = await counters.look(CORE, "n1")
    assert standing.remaining == 98  # the late one may be counted in the new window
    assert standing.left == pytest.approx(3600, abs=2)
    assert (await settled(counters, late, said(0, left=0.0))).remaining == 98
    new = said(40, resets=RESETS + 3600, left=3000.0)
    standing = await settled(counters, permit, new)
    assert standing.remaining == 40
    assert standing.left == pytest.approx(3000, abs=2)
    assert (await settled(counters, "old", said(99))).remaining == 40


@contract
async def rates_hold_over_any_span(counters: BudgetCounters) -> None:
    await learned(counters, 90)
    rates = (Rate("points", 0.1, 0.5), Rate("write:x", 0.2, 0.2, 1))
    narrow = (Rate("points", 0.1, 0.3),)
    await taken(counters, rates=rates)
    answer = await refused(counters, rates=rates)
    assert answer.why == "rate"
    assert 0.1 < answer.wait <= 0.2
    await taken(counters, rates=narrow)
    await taken(counters, rates=narrow)
    assert (await refused(counters, rates=narrow)).why == "rate"
    await taken(counters, rates=rates[:1])  # a wider tolerance goes ahead of a narrower
    await trio.sleep(0.7)
    await taken(counters, rates=(Rate("points", 0.1, 0.5, 5),))
    assert (await refused(counters, rates=rates[:1])).why == "rate"
    await taken(counters, Bucket("other", "core"), rates=rates)


@contract
async def calls_in_flight_are_counted_by_credential_and_expire(counters: BudgetCounters) -> None:
    await learned(counters, 90)
    await settled(counters, await taken(counters, SEARCH), said(9, 10), counted_in=SEARCH)
    permit = await taken(counters, expires=60.0)
    await taken(counters, SEARCH, expires=0.3)
    assert (await refused(counters, in_flight=2)).why == "in_flight"
    await taken(counters, in_flight=3, expires=0.3)
    await settled(counters, permit)
    await refused(counters, in_flight=2)
    await trio.sleep(0.5)
    await taken(counters, in_flight=1)


@contract
async def a_refusal_silences_the_credential_and_grows(counters: BudgetCounters) -> None:
    await learned(counters, 90)
    permits = [await taken(counters) for _ in range(3)]
    standing = await settled(counters, permits[0], answered=False, refused=True, retry_after=0.2)
    assert standing.silent == pytest.approx(1.0, abs=0.2)  # never less than a second
    assert (await refused(counters)).why == "silence"
    assert (await refused(counters, SEARCH)).why == "silence"
    await taken(counters, Bucket("other", "core"))
    # Others that were under way are the same strike.
    standing = await settled(counters, permits[1], answered=False, refused=True)
    assert standing.silent == pytest.approx(60, abs=2)
    standing = await settled(counters, permits[2])
    assert standing.silent == pytest.approx(60, abs=2)


@contract
async def strikes_add_up_until_an_answer(counters: BudgetCounters) -> None:
    for expected in (1.0, 1.0):
        done = Settlement("p", CORE, refused=True, retry_after=expected)
        await counters.settle(done)
        await trio.sleep(1.1)
    assert (await counters.settle(Settlement("p", CORE, refused=True))).silent > 200
    other = Bucket("d", "core")
    await counters.settle(Settlement("p", other, refused=True, retry_after=1.0))
    await trio.sleep(1.1)
    await counters.settle(Settlement("p", other, answered=True))
    silent = (await counters.settle(Settlement("p", other, refused=True))).silent
    assert silent == pytest.approx(60, abs=2)


@contract
async def takers_at_once_never_take_more(counters: BudgetCounters) -> None:
    await learned(counters, 50)
    granted = 0

    async def take(node: str) -> None:
        nonlocal granted
        for _ in range(20):
            _, answer = await ask(counters, node=node)
            granted += answer.granted

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(take, f"n{number}")
    assert granted == 50
    standing = await counters.look(CORE, "n0")
    assert (standing.remaining, standing.nodes) == (0, 4)


@contract.parametrize()
def test_simulated(case: Case) -> None:
    async def main() -> None:
        await case(MemoryCounters())

    trio.run(main, clock=MockClock(autojump_threshold=0))


def run_redis(case: Callable[[RedisCounters], Awaitable[None]], url: str) -> None:
    run_on_redis(lambda connection: case(RedisCounters(connection, "rh:test:github")), url)


@pytest.mark.real
@contract.parametrize()
def test_redis(case: Case, redis_url: str) -> None:
    run_redis(case, redis_url)


@pytest.mark.real
def test_every_key_expires(redis_server: RedisServer) -> None:
    async def case(counters: RedisCounters) -> None:
        await learned(counters, 50)
        await taken(counters, rates=(Rate("points", 1.0, 5.0),))
        await counters.settle(Settlement("p", CORE, refused=True))
        keys = int(redis_server.execute("DBSIZE").removeprefix(":"))
        volatile = redis_server.execute(
            "EVAL \"local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do "
            "if redis.call('TTL', k) > 0 then n = n + 1 end end return n\" 0"
        )
        assert volatile == f":{keys}"
        assert keys >= 5

    run_redis(case, redis_server.url())


@pytest.mark.real
def test_an_outage_is_seen_and_ends(redis_server: RedisServer) -> None:
    async def case(counters: RedisCounters) -> None:
        await learned(counters, 50)
        redis_server.stop()
        with pytest.raises(QueueUnavailable):
            await counters.look(CORE, "n1")
        redis_server.start()
        assert (await counters.look(CORE, "n1")).remaining == 50

    run_redis(case, redis_server.url())
