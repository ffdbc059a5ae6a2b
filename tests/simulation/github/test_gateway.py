"""A call through the gateway: turns, limits, repetitions, and what is learned."""

import math
from itertools import pairwise

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from runnerhub.model.budget import Bucket, Priority
from runnerhub.model.permit import Answer, Demand
from runnerhub.ports.github import (
    GitHubNotConfigured,
    GitHubRefused,
    GitHubUnavailable,
    RateLimited,
    Request,
    Response,
)
from runnerhub.sim.counters import MemoryCounters
from tests.simulation.github.fake import FakeGitHub
from tests.simulation.github.nodes import Node, running


def get(path: str = "/repos/a/b", **more: object) -> Request:
    return Request("GET", path, cached=False, **more)  # type: ignore[arg-type]


async def test_a_call_is_answered_and_counted(autojump_clock: MockClock) -> None:
    github = FakeGitHub()
    node = Node(github, MemoryCounters())
    async with running(node) as (gateway,):
        answer = await gateway.call(get())
        assert answer.data == {"path": "/repos/a/b"}
        await trio.sleep(1)
        standing = node.desk.buckets[Bucket("pat", "core")].standing
        assert (standing.limit, standing.remaining) == (5000, 4999)
        assert standing.left == pytest.approx(3600, abs=3)
    assert node.desk.statistics.requests["other", "2xx"] == 1


async def test_the_resource_of_a_kind_is_learned(autojump_clock: MockClock) -> None:
    github = FakeGitHub()
    github.resources["runners"] = "actions_runner_registration"
    github.limits["actions_runner_registration"] = 10
    node = Node(github, MemoryCounters())
    async with running(node) as (gateway,):
        await gateway.call(get())
        for _ in range(3):
            await gateway.call(get(kind="runners"))
        await trio.sleep(1)
        buckets = node.desk.buckets
        assert buckets[Bucket("pat", "core")].standing.remaining == 4999
        learned = buckets[Bucket("pat", "actions_runner_registration")].standing
        assert (learned.limit, learned.remaining) == (10, 7)


async def test_the_last_call_of_a_window_goes_and_the_next_waits(
    autojump_clock: MockClock,
) -> None:
    github = FakeGitHub(limit=20)
    node = Node(github, MemoryCounters())
    async with running(node) as (gateway,):
        for _ in range(20):
            await gateway.call(get(priority=Priority.DISPATCH))
        with pytest.raises(RateLimited) as caught:
            await gateway.call(get(priority=Priority.DISPATCH, patience=10))
        assert caught.value.why == "budget"
        assert 3000 < caught.value.retry_after < 3700
        before = trio.current_time()
        await gateway.call(get(priority=Priority.DISPATCH, patience=4000))
        assert 3500 < trio.current_time() - before < 3600
    assert github.violations == []


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_only_what_is_safe_is_sent_again(method: str, autojump_clock: MockClock) -> None:
    github = FakeGitHub()
    async with running(Node(github, MemoryCounters())) as (gateway,):
        request = Request(method, "/x", cached=False)
        for trouble in ("lost", "broken"):
            setattr(github, trouble, 2)
            if method == "POST":
                with pytest.raises(GitHubUnavailable):
                    await gateway.call(request)
                setattr(github, trouble, 0)
            else:
                await gateway.call(request)
        github.unreachable = 2
        await gateway.call(request)
    assert github.calls["other"] == (3 if method == "POST" else 7)


async def test_tries_end(autojump_clock: MockClock) -> None:
    github = FakeGitHub()
    async with running(Node(github, MemoryCounters())) as (gateway,):
        github.broken = 100
        with pytest.raises(GitHubUnavailable):
            await gateway.call(get())
        assert github.calls["other"] == 5


async def test_a_refusal_that_stays_is_raised(autojump_clock: MockClock) -> None:
    github = FakeGitHub()
    github.script["GET", "/x"] = Response(403, {}, {"message": "Resource not accessible"})
    github.script["GET", "/y"] = Response(404, {}, {"message": "Not Found"})
    async with running(Node(github, MemoryCounters())) as (gateway,):
        for path, status in (("/x", 403), ("/y", 404)):
            with pytest.raises(GitHubRefused) as caught:
                await gateway.call(get(path))
            assert caught.value.status == status
        assert github.calls["other"] == 2


async def test_a_secondary_refusal_silences_all_nodes(autojump_clock: MockClock) -> None:
    github, counters = FakeGitHub(), MemoryCounters()
    refusals = [{"retry-after": "30"}, {}, {}]

    def refuse(_: Request) -> Response | None:
        if not refusals:
            return None
        words = {"message": "You have exceeded a secondary rate limit"}
        return Response(403, refusals.pop(0), words)

    github.script["POST", "/x"] = refuse
    first, second = Node(github, counters, "n1"), Node(github, counters, "n2")
    async with running(first, second) as (one, two):
        await two.call(get())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.call, Request("POST", "/x", patience=1000))
            await trio.sleep(1)
            before = trio.current_time()
            await two.call(get())
            assert 25 < trio.current_time() - before < 31
        times = [at for at, request in github.seen if request.path == "/x"]
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps[0] >= 29.5
    assert 59 < gaps[1] < 123
    assert gaps[2] == pytest.approx(2 * gaps[1], abs=3)  # it grows


async def test_a_cancelled_call_leaves_the_line_and_gives_its_permit_back(
    autojump_clock: MockClock,
) -> None:
    github = FakeGitHub(latency=10.0)
    node = Node(github, MemoryCounters())
    async with running(node) as (gateway,):
        await gateway.call(get())
        for seconds in (0.0, 0.001, 3.0):
            with trio.move_on_after(seconds):
                await gateway.call(get())
        await trio.sleep(0.1)
        limiter = node.desk.buckets[Bucket("pat", "core")]
        assert limiter.waiting == 0
        async with trio.open_nursery() as nursery:
            for _ in range(89):
                nursery.start_soon(gateway.call, get(priority=Priority.DISPATCH))


async def test_a_crashed_bucket_is_started_again(autojump_clock: MockClock) -> None:
    class Counters(MemoryCounters):
        broken = False

        async def acquire(self, demand: Demand) -> Answer:
            if self.broken:
                self.broken = False
                raise RuntimeError("a bug")
            return await super().acquire(demand)

    github, counters = FakeGitHub(), Counters()
    node = Node(github, counters)
    async with running(node) as (gateway,):
        await gateway.call(get())
        ref = node.root.registry.ref("github-bucket:pat:core")
        counters.broken = True
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(gateway.call, get())
        assert not ref.alive
    assert github.used() == 6


async def test_a_dispatch_call_overtakes_and_a_sync_call_is_not_starved(
    autojump_clock: MockClock,
) -> None:
    github = FakeGitHub(limit=100_000)
    order: list[str] = []
    async with running(Node(github, MemoryCounters())) as (gateway,):

        async def call(name: str, priority: Priority) -> None:
            await gateway.call(get(priority=priority, patience=1e5))
            order.append(name)

        await gateway.call(get())
        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(call, "sync", Priority.SYNC)
            await trio.lowlevel.checkpoint()
            started_at = trio.current_time()
            await call("dispatch", Priority.DISPATCH)
            assert trio.current_time() - started_at < 1.0
        # Without a pause in what is above it, a sync call still goes.
        busy = True

        async def keep_busy() -> None:
            while busy:
                await call("dispatch", Priority.DISPATCH)

        async with trio.open_nursery() as nursery:
            for _ in range(60):
                nursery.start_soon(keep_busy)
            await trio.sleep(30)
            started_at = trio.current_time()
            await call("sync", Priority.SYNC)
            assert trio.current_time() - started_at < 45
            busy = False
    assert github.violations == []


async def test_without_limits_in_the_answers_there_are_none(autojump_clock: MockClock) -> None:
    github = FakeGitHub()
    github._headers = lambda *_: {}  # type: ignore[method-assign]
    node = Node(github, MemoryCounters())
    async with running(node) as (gateway,):
        for _ in range(30):
            await gateway.call(get())
        assert node.desk.buckets[Bucket("pat", "core")].standing.limit == -1
        assert node.desk.buckets[Bucket("pat", "core")].exhausted_in(0) == math.inf


async def test_no_credential_is_said(autojump_clock: MockClock) -> None:
    async with running(Node(FakeGitHub(), MemoryCounters(), credentials=())) as (gateway,):
        with pytest.raises(GitHubNotConfigured, match="acme"):
            await gateway.call(get("/repos/acme/web"))


async def test_more_than_may_wait_are_refused_at_once(autojump_clock: MockClock) -> None:
    github = FakeGitHub(limit=10)
    refused: list[str] = []
    node = Node(github, MemoryCounters())
    async with running(node) as (gateway,), trio.open_nursery() as nursery:

        async def call() -> None:
            try:
                await gateway.call(get(priority=Priority.DISPATCH, patience=100))
            except RateLimited as error:
                refused.append(error.why)

        async with trio.open_nursery() as many:
            for _ in range(1200):
                many.start_soon(call)
            await trio.sleep(50)
            assert refused == ["full"] * (1200 - 1024 - 1)  # one asks what the limit is
        assert len(refused) == 1190
        nursery.cancel_scope.cancel()
    assert github.violations == []


async def test_counters_that_do_not_answer_delay_a_call_by_seconds_only(
    autojump_clock: MockClock,
) -> None:
    class Frozen(MemoryCounters):
        frozen = False

        async def _enter(self) -> None:
            if self.frozen:
                await trio.sleep(1000)
            await super()._enter()

    github, counters = FakeGitHub(), Frozen()
    async with running(Node(github, counters)) as (gateway,):
        await gateway.call(get())
        counters.frozen = True
        for _ in range(20):
            before = trio.current_time()
            await gateway.call(get(priority=Priority.DISPATCH))
            assert trio.current_time() - before < 5
            await trio.sleep(10)
        counters.frozen = False
        await trio.sleep(30)
        await gateway.call(get())
    assert github.violations == []
