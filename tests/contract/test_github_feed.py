"""The port `CacheFeed`: one suite, for the feed in memory and Redis."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from runnerhub.adapters.redis.connection import RedisConnection
from runnerhub.adapters.redis.github_cache import RedisTier
from runnerhub.adapters.redis.github_feed import RedisFeed
from runnerhub.ports.errors import Unavailable
from runnerhub.ports.github import Request
from runnerhub.ports.github_cache import CacheFeed, CacheNews
from runnerhub.runtime import Bridge, run_guest
from runnerhub.sim.counters import MemoryCounters
from runnerhub.sim.github_cache import MemoryFeed
from tests.contract.harness import Cases, run_on_redis
from tests.parts.redis import RedisServer
from tests.simulation.github.fake import FakeGitHub
from tests.simulation.github.nodes import Node, running

Case = Callable[[CacheFeed], Awaitable[None]]

contract: Cases[Case] = Cases()

NEWS = CacheNews("node-1", ("repo:a/ü", "runs:a/b"))
CHANNEL = "rh:test:cache:news"


@contract
async def all_who_listen_hear_in_order(feed: CacheFeed) -> None:
    await feed.publish(CacheNews("node-1", ("nobody listens",)))
    async with feed.listen() as one, feed.listen() as other:
        for listener in (one, other):
            assert await listener.receive() is None
        told = [NEWS, *(CacheNews("node-2", (str(n),)) for n in range(100))]
        for news in told:
            await feed.publish(news)
        for listener in (one, other):
            assert [await listener.receive() for _ in told] == told


@contract
async def who_listens_no_more_is_in_nobodys_way(feed: CacheFeed) -> None:
    for _ in range(12):
        async with feed.listen() as listener:
            assert await listener.receive() is None
        await feed.publish(NEWS)


@contract.parametrize()
def test_simulated(case: Case) -> None:
    async def main() -> None:
        await case(MemoryFeed())

    trio.run(main, clock=MockClock(autojump_threshold=0))


def run_redis(case: Callable[[RedisFeed], Awaitable[None]], url: str) -> None:
    run_on_redis(lambda connection: case(RedisFeed(connection, CHANNEL)), url)


@pytest.mark.real
@contract.parametrize()
def test_redis(case: Case, redis_url: str) -> None:
    run_redis(case, redis_url)


@pytest.mark.real
def test_a_lost_connection_is_said_or_begins_anew(redis_server: RedisServer) -> None:
    async def case(feed: RedisFeed) -> None:
        async with feed.listen() as listener:
            assert await listener.receive() is None
            redis_server.execute("CLIENT KILL TYPE pubsub")
            assert await listener.receive() is None  # connected again: something may be missing
            await feed.publish(NEWS)
            assert await listener.receive() == NEWS
            redis_server.stop()
            with pytest.raises(Unavailable):
                await listener.receive()
        with pytest.raises(Unavailable):
            await feed.publish(NEWS)
        redis_server.start()
        async with feed.listen() as listener:
            assert await listener.receive() is None

    run_redis(case, redis_server.url())


@pytest.mark.real
def test_a_server_that_falls_silent_is_noticed(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runnerhub.adapters.redis.github_feed.QUIET_SECONDS", 0.1)

    async def case(feed: RedisFeed) -> None:
        async with feed.listen() as listener:
            assert await listener.receive() is None
            await trio.sleep(0.5)  # quiet, and there
            await feed.publish(NEWS)
            assert await listener.receive() == NEWS
            redis_server.pause()
            with pytest.raises(Unavailable):
                await listener.receive()
            redis_server.resume()

    run_redis(case, redis_server.url())


@pytest.mark.real
def test_what_nobody_understands_may_be_anything(redis_server: RedisServer) -> None:
    async def case(feed: RedisFeed) -> None:
        async with feed.listen() as listener:
            assert await listener.receive() is None
            for said in ("x", "[]", "1", '{"from":1}'):
                redis_server.execute(f"PUBLISH {CHANNEL} '{said}'")
                assert await listener.receive() is None

    run_redis(case, redis_server.url())


@pytest.mark.real
def test_the_memory_of_another_node_follows_at_once(redis_url: str) -> None:
    github = FakeGitHub(latency=0.0)
    request = Request("GET", "/repos/a/b", kind="repository", tags=("repo:a/b",))

    async def main(bridge: Bridge) -> None:
        connections = [RedisConnection(bridge, redis_url) for _ in range(2)]
        nodes = [
            Node(
                github,
                MemoryCounters(),
                f"n{number}",
                [("redis", RedisTier(connection, "rh:test:cache"))],
                RedisFeed(connection, CHANNEL),
            )
            for number, connection in enumerate(connections)
        ]
        try:
            with trio.fail_after(30):
                async with running(*nodes) as (first, second):
                    await trio.sleep(0.2)  # both listen
                    await second.call(request)
                    await first.stale(["repo:a/b"])
                    while nodes[1].desk.statistics.news < 1:
                        await trio.sleep(0.001)
                    await second.call(request)
                    assert github.calls["repository"] == 2
        finally:
            for connection in connections:
                await connection.close()

    run_guest(main)
