"""The cache over its tiers: fresh, stale, revalidated, shared, made stale; one fetch for many."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.model.answer_cache import RecentlyUsed
from runnerhub.model.budget import Priority
from runnerhub.ports.github import GitHubRefused, RateLimited, Request, Response
from runnerhub.ports.github_cache import CacheEntry
from runnerhub.sim.counters import MemoryCounters
from runnerhub.sim.github_cache import MemoryFeed, MemoryTier
from tests.simulation.github.fake import FakeGitHub
from tests.simulation.github.nodes import Node, running

REPO = Request("GET", "/repos/a/b", kind="repository", tags=("repo:a/b",))


class Tiers:
    def __init__(self) -> None:
        self.redis, self.postgres, self.feed = MemoryTier(), MemoryTier(), MemoryFeed()

    def node(self, github: FakeGitHub, name: str = "n1") -> Node:
        tiers = [("redis", self.redis), ("postgres", self.postgres)]
        return Node(github, MemoryCounters(), name, tiers, self.feed)


async def test_a_fresh_answer_costs_no_request(autojump_clock: MockClock) -> None:
    github, tiers = FakeGitHub(), Tiers()
    github.etags["/repos/a/b"] = '"1"'
    one, two = tiers.node(github), tiers.node(github, "n2")
    async with running(one, two) as (first, second):
        answer = await first.call(REPO)
        assert (await first.call(REPO)).data == answer.data
        assert (await second.call(REPO)).data == answer.data
        assert github.calls["repository"] == 1
        lookups = one.desk.statistics.lookups
        assert lookups["memory", "hit"] == 1
        assert two.desk.statistics.lookups["redis", "hit"] == 1
        # After its time it is revalidated, for nothing.
        await trio.sleep(601)
        assert (await first.call(REPO)).data == answer.data
        assert github.calls["repository"] == 2
        assert github.used() == 1
        assert one.desk.statistics.revalidations == {"changed": 1, "unchanged": 1}
        assert (await second.call(REPO)).data == answer.data
        assert github.calls["repository"] == 2
        # What has changed is fetched.
        await trio.sleep(601)
        github.etags["/repos/a/b"] = '"2"'
        github.script["GET", "/repos/a/b"] = {"new": True}
        assert (await first.call(REPO)).data == {"new": True}
        assert github.used() == 2


async def test_a_webhook_makes_it_stale_everywhere(autojump_clock: MockClock) -> None:
    github, tiers = FakeGitHub(), Tiers()
    github.etags["/repos/a/b"] = '"1"'
    async with running(tiers.node(github), tiers.node(github, "n2")) as (first, second):
        await first.call(REPO)
        await second.call(REPO)
        await first.stale(["repo:a/b"])
        await first.call(REPO)
        assert github.calls["repository"] == 2
        await second.call(REPO)
        await first.stale(["repo:a/b"])
        await wait_all_tasks_blocked()
        await second.call(REPO)  # at once
        assert github.calls["repository"] == 3
        assert trio.current_time() < 2


async def test_memory_follows_within_ten_seconds_where_no_news_come(
    autojump_clock: MockClock,
) -> None:
    github, tiers = FakeGitHub(), Tiers()
    github.etags["/repos/a/b"] = '"1"'
    async with running(tiers.node(github), tiers.node(github, "n2")) as (first, second):
        await second.call(REPO)
        tiers.feed.outage = True
        await first.stale(["repo:a/b"])
        await second.call(REPO)
        assert github.calls["repository"] == 1
        await trio.sleep(11)
        await second.call(REPO)
        assert github.calls["repository"] == 2


async def test_what_was_missed_is_looked_up_when_news_come_again(
    autojump_clock: MockClock,
) -> None:
    github, tiers = FakeGitHub(), Tiers()
    async with running(tiers.node(github), tiers.node(github, "n2")) as (first, second):
        await second.call(REPO)
        tiers.feed.outage = True
        await first.stale(["repo:a/b"])
        tiers.feed.outage = False
        await trio.sleep(1)
        await second.call(REPO)
        assert github.calls["repository"] == 2
        assert trio.current_time() < 2


async def test_what_another_nodes_webhook_overtakes_is_kept_as_stale(
    autojump_clock: MockClock,
) -> None:
    github, tiers = FakeGitHub(latency=5.0), Tiers()
    nodes = tiers.node(github), tiers.node(github, "n2")
    async with running(*nodes) as (first, second), trio.open_nursery() as nursery:
        nursery.start_soon(second.call, REPO)
        await trio.sleep(0.1)
        await first.stale(["repo:a/b"])
        await trio.sleep(10)
        await second.call(REPO)
        assert github.calls["repository"] == 2
        assert nodes[1].desk.statistics.news == 1


class Slow(MemoryTier):
    """Answers late: what was found, or done, is a second old by then."""

    slow = False

    async def get(self, key: str) -> CacheEntry | None:
        found = await super().get(key)
        await trio.sleep(self.slow)
        return found

    async def put(self, key: str, entry: CacheEntry) -> None:
        await trio.sleep(self.slow)
        await super().put(key, entry)

    async def stale(self, tags: Sequence[str]) -> int:
        await trio.sleep(self.slow)
        return await super().stale(tags)


@pytest.mark.parametrize("late", [0.0, 0.5])
@pytest.mark.parametrize("who", [0, 1])
async def test_who_looks_while_it_is_made_stale_keeps_no_old_answer(
    autojump_clock: MockClock, who: int, late: float
) -> None:
    github, tiers = FakeGitHub(), Tiers()
    tiers.redis = slow = Slow()
    async with running(tiers.node(github), tiers.node(github, "n2")) as nodes:
        await nodes[1 - who].call(REPO)
        slow.slow = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nodes[0].stale, ["repo:a/b"])
            await trio.sleep(late)
            nursery.start_soon(nodes[who].call, REPO)
        slow.slow = False
        await wait_all_tasks_blocked()  # it is heard
        await nodes[who].call(REPO)
        assert github.calls["repository"] >= 2
        assert trio.current_time() < 5


async def test_what_is_overtaken_while_it_is_put_away_is_kept_as_stale(
    autojump_clock: MockClock,
) -> None:
    github, tiers = FakeGitHub(), Tiers()
    tiers.redis = slow = Slow()
    slow.slow = True
    async with running(tiers.node(github), tiers.node(github, "n2")) as (first, second):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.call, REPO)
            await trio.sleep(1.5)  # it is on its way to Redis
            slow.slow = False
            await first.stale(["repo:a/b"])
        await second.call(REPO)
        assert github.calls["repository"] == 2


async def test_what_is_overtaken_by_a_webhook_is_kept_as_stale(autojump_clock: MockClock) -> None:
    github, tiers = FakeGitHub(latency=5.0), Tiers()
    async with running(tiers.node(github)) as (gateway,), trio.open_nursery() as nursery:
        nursery.start_soon(gateway.call, REPO)
        await trio.sleep(0.1)
        await gateway.stale(["repo:a/b"])
        await trio.sleep(10)
        await gateway.call(REPO)
        assert github.calls["repository"] == 2


async def test_many_who_ask_wait_for_one_fetch(autojump_clock: MockClock) -> None:
    github, tiers = FakeGitHub(latency=5.0), Tiers()
    async with running(tiers.node(github)) as (gateway,):
        answers: list[Response] = []

        async def ask() -> None:
            answers.append(await gateway.call(REPO))

        async with trio.open_nursery() as nursery:
            leader = trio.CancelScope()

            async def lead() -> None:
                with leader:
                    await gateway.call(REPO)

            nursery.start_soon(lead)
            await trio.sleep(0.1)
            for _ in range(20):
                nursery.start_soon(ask)
            await trio.sleep(0.1)
            leader.cancel()  # one of the others takes over
        assert len(answers) == 20
        assert github.calls["repository"] == 1


async def test_who_is_more_urgent_does_not_wait_in_the_line_of_another(
    autojump_clock: MockClock,
) -> None:
    github, tiers = FakeGitHub(limit=20), Tiers()
    async with running(tiers.node(github)) as (gateway,), trio.open_nursery() as nursery:
        for number in range(15):
            await gateway.call(Request("GET", f"/{number}", priority=Priority.DISPATCH))
        nursery.start_soon(gateway.call, replace(REPO, patience=4000.0))
        await trio.sleep(1)
        with pytest.raises(RateLimited):  # waits with the first, but not for as long
            await gateway.call(replace(REPO, patience=5.0))
        before = trio.current_time()
        await gateway.call(replace(REPO, priority=Priority.DISPATCH))
        assert trio.current_time() - before < 1
        nursery.cancel_scope.cancel()


async def test_an_error_reaches_all_who_wait_and_is_not_kept(autojump_clock: MockClock) -> None:
    github, tiers = FakeGitHub(latency=5.0), Tiers()
    github.script["GET", "/repos/a/b"] = Response(404, {}, {"message": "Not Found"})
    async with running(tiers.node(github)) as (gateway,):
        refused = 0

        async def ask() -> None:
            nonlocal refused
            with pytest.raises(GitHubRefused):
                await gateway.call(REPO)
            refused += 1

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
        assert (refused, github.calls["repository"]) == (5, 1)
        await ask()
        assert github.calls["repository"] == 2


async def test_tiers_that_are_away_count_as_misses(autojump_clock: MockClock) -> None:
    github, tiers = FakeGitHub(), Tiers()
    async with running(tiers.node(github)) as (gateway,):
        await gateway.call(REPO)
        tiers.redis.outage = tiers.postgres.outage = True
        await trio.sleep(20)
        await gateway.call(REPO)
        assert github.calls["repository"] == 1  # memory still knows
        await gateway.call(Request("GET", "/repos/a/c", kind="repository"))
        assert github.calls["repository"] == 2


async def test_a_restarted_node_finds_lasting_kinds_in_postgresql(
    autojump_clock: MockClock,
) -> None:
    github, tiers = FakeGitHub(), Tiers()
    github.etags |= {"/repos/a/b": '"1"', "/repos/a/b/jobs": '"1"'}
    jobs = Request("GET", "/repos/a/b/jobs", kind="jobs")
    async with running(tiers.node(github)) as (gateway,):
        await gateway.call(REPO)
        await gateway.call(jobs)
    tiers.redis = MemoryTier()
    async with running(tiers.node(github, "n2")) as (gateway,):
        await gateway.call(REPO)
        await gateway.call(jobs)
    assert github.calls == {"repository": 1, "jobs": 2}


def test_memory_is_bounded() -> None:
    kept: RecentlyUsed[int] = RecentlyUsed(entries=3, size=100)
    for number in range(4):
        kept.put(str(number), number, 10)
    assert "0" not in kept
    kept.get("1")
    kept.put("4", 4, 10)
    assert [key for key, _ in kept.items()] == ["3", "1", "4"]
    kept.put("5", 5, 90)
    assert [key for key, _ in kept.items()] == ["4", "5"]
    kept.put("6", 6, 1000)
    assert (len(kept), kept.size) == (0, 0)
