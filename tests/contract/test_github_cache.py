"""The port `CacheTier`: one suite, for the tier in memory, Redis and PostgreSQL."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from runnerhub.adapters.postgres.github_cache import PostgresTier
from runnerhub.adapters.redis.github_cache import MOST_BYTES, RedisTier
from runnerhub.ports.errors import Unavailable
from runnerhub.ports.github_cache import CacheEntry, CacheTier
from runnerhub.runtime import Bridge, run_guest
from runnerhub.sim.github_cache import MemoryTier
from tests.contract.harness import Cases, run_on_redis
from tests.parts.postgres import PostgresServer
from tests.parts.redis import RedisServer

Case = Callable[[CacheTier], Awaitable[None]]

contract: Cases[Case] = Cases()

ENTRY = CacheEntry('W/"ü"', b'{"a": "\xc3\xbc"}', ("repo:a/b", "runs"), "https://x/2", 1.8e9 + 0.5)


@contract
async def what_is_put_is_got(tier: CacheTier) -> None:
    assert await tier.get("k") is None
    await tier.put("k", ENTRY)
    assert await tier.get("k") == ENTRY
    other = CacheEntry(None, b"[]")
    await tier.put("k", other)
    assert await tier.get("k") == other
    assert await tier.get("K") is None


@contract
async def a_tag_makes_stale_and_keeps_the_etag(tier: CacheTier) -> None:
    await tier.put("k1", ENTRY)
    await tier.put("k2", CacheEntry("e", b"1", ("runs",), None, 9e9))
    await tier.put("k3", CacheEntry("e", b"1", ("other",), None, 9e9))
    assert await tier.stale(["repo:a/b", "nobody"]) == 1
    first = await tier.get("k1")
    assert first is not None
    assert (first.fresh_until, first.etag, first.body) == (0.0, ENTRY.etag, ENTRY.body)
    second = await tier.get("k2")
    assert second is not None
    assert second.fresh_until == 9e9
    assert await tier.stale(["runs"]) == 2
    assert await tier.stale([]) == 0
    third = await tier.get("k3")
    assert third is not None
    assert third.fresh_until == 9e9
    assert await tier.prune() == 0


@contract.parametrize()
def test_simulated(case: Case) -> None:
    async def main() -> None:
        await case(MemoryTier())

    trio.run(main, clock=MockClock(autojump_threshold=0))


def run_redis(case: Case, url: str) -> None:
    run_on_redis(lambda connection: case(RedisTier(connection, "rh:test:cache")), url)


def run_postgres(case: Callable[[PostgresTier], Awaitable[None]], url: str) -> None:
    async def main(bridge: Bridge) -> None:
        tier = PostgresTier(bridge, url, connections=2)
        await tier.open()
        try:
            with trio.fail_after(60):
                await case(tier)
        finally:
            await tier.close()

    run_guest(main)


@pytest.mark.real
@contract.parametrize()
def test_redis(case: Case, redis_url: str) -> None:
    run_redis(case, redis_url)


@pytest.mark.real
@contract.parametrize()
def test_postgres(case: Case, fresh_database: str) -> None:
    run_postgres(case, fresh_database)


@pytest.mark.real
def test_redis_keeps_nothing_that_is_too_large(redis_url: str) -> None:
    async def case(tier: CacheTier) -> None:
        await tier.put("k", ENTRY)
        await tier.put("k", CacheEntry("e", b" " * (MOST_BYTES + 1)))
        assert await tier.get("k") is None

    run_redis(case, redis_url)


@pytest.mark.real
def test_what_is_old_is_pruned(postgres_server: PostgresServer) -> None:
    name = postgres_server.create_database()

    async def case(tier: PostgresTier) -> None:
        await tier.put("old", ENTRY)
        await tier.put("new", ENTRY)
        postgres_server.execute(
            "UPDATE github_cache SET stored_at = now() - interval '8 days' WHERE key = 'old'", name
        )
        assert await tier.prune() == 1
        assert await tier.get("old") is None
        assert await tier.get("new") == ENTRY

    try:
        run_postgres(case, postgres_server.url(name))
    finally:
        postgres_server.drop_database(name)


@pytest.mark.real
def test_redis_away_is_said(redis_server: RedisServer) -> None:
    async def case(tier: CacheTier) -> None:
        redis_server.stop()
        with pytest.raises(Unavailable):
            await tier.get("k")
        redis_server.start()

    run_redis(case, redis_server.url())
