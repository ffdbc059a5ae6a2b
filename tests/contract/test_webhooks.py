"""The ports `Deliveries` and `GitHubJobs`: one suite, in memory and in PostgreSQL."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
import trio
from trio.testing import MockClock

from runnerhub.adapters.postgres.github_jobs import PostgresWebhooks
from runnerhub.model.webhook import Action
from runnerhub.model.webhook_job import WorkflowJob
from runnerhub.ports.deliveries import MOST_ATTEMPTS, Deliveries, Delivery, DeliveryState, Failure
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.ports.github_jobs import GitHubJobs
from runnerhub.runtime import Bridge, run_guest
from runnerhub.sim.webhooks import MemoryDeliveries, MemoryGitHubJobs
from tests.contract.harness import Cases, simulated_now
from tests.parts.postgres import PostgresServer


class Store(Deliveries, GitHubJobs, Protocol):
    pass


class MemoryWebhooks(MemoryDeliveries, MemoryGitHubJobs):
    pass


Case = Callable[[Store], Awaitable[None]]

contract: Cases[Case] = Cases()


def queued(number: int = 1, *labels: str, **more: object) -> WorkflowJob:
    job = WorkflowJob(number, "acme/web", "queued", labels or ("self-hosted", "GPU"))
    return replace(job, **more)  # type: ignore[arg-type]


def full(number: int = 1) -> WorkflowJob:
    now = datetime.now(UTC).replace(microsecond=0)
    return WorkflowJob(
        number, "acme/wéb", "completed", ("A", "b"), "success", 2**62, 1, "name", "flow", "main",
        5, "runner", 2, 77, now, now, now,
    )  # fmt: skip


def delivery(guid: str = "g1", body: bytes = b"x", job: WorkflowJob | None = None) -> Delivery:
    asks = Action(job or full(), ("runs:acme/web", "run:1"), "acme/web", 77)
    return Delivery(guid, body * 32, "workflow_job", "queued", asks, "/repos/acme/web/hooks/1")


def is_(job: WorkflowJob | None, told: WorkflowJob) -> bool:
    return job is not None and replace(job, first_seen_at=None, heard_at=None) == told


# ---------------------------------------------------------------- deliveries


@contract
async def what_is_received_is_claimed_in_order_and_done(store: Store) -> None:
    given = [delivery(f"g{n}") for n in (3, 1, 2)]
    assert await store.receive(given) == [True] * 3
    bare = Delivery("bare", b"d" * 32, "ping", None, Action())
    assert await store.receive([bare]) == [True]
    backlog = await store.backlog()
    assert (backlog.waiting, backlog.dead) == (4, 0)
    taken = await store.claim("n1", 2, 30)
    assert [replace(each.delivery, hook=given[0].hook) for each in taken] == given[:2]
    assert [each.attempt for each in taken] == [1, 1]
    rest = await store.claim("n2", 9, 30)
    assert [each.delivery.guid for each in rest] == ["g2", "bare"]
    assert rest[1].delivery == bare
    await store.settle([each.seq for each in (*taken, *rest)])
    assert await store.claim("n1", 9, 30) == []
    assert (await store.backlog()).waiting == 0


@contract
async def the_same_again_is_not_new(store: Store) -> None:
    assert await store.receive([delivery(), delivery()]) == [True, False]
    assert await store.receive([delivery()]) == [False]
    assert await store.receive([delivery(body=b"y"), delivery("g2")]) == [True, True]
    taken = await store.claim("n1", 9, 30)
    await store.settle([each.seq for each in taken])
    assert await store.receive([delivery()]) == [False]
    assert await store.claim("n1", 9, 30) == []


@contract
async def a_claim_is_of_one_and_comes_back(store: Store) -> None:
    await store.receive([delivery()])
    assert len(await store.claim("n1", 9, 0.5)) == 1
    assert await store.claim("n2", 9, 0.5) == []
    (again,) = await store.claim("n1", 9, 0.5)  # as a new life of it would
    assert again.attempt == 2
    await trio.sleep(0.6)
    (over,) = await store.claim("n2", 9, 30)
    assert over.attempt == 3


@contract
async def a_failure_waits_and_a_dead_one_lives_again(store: Store) -> None:
    await store.receive([delivery("g1"), delivery("g2")])
    one, two = await store.claim("n1", 9, 30)
    await store.settle([], [Failure(one.seq, "no\0", 0.4), Failure(two.seq, "never", None)])
    backlog = await store.backlog()
    assert (backlog.waiting, backlog.dead) == (1, 1)
    assert await store.known(["g1", "g2", "g3"]) == {"g1"}
    assert await store.claim("n1", 9, 30) == []
    await trio.sleep(0.5)
    (again,) = await store.claim("n1", 9, 30)
    assert (again.delivery.guid, again.attempt) == ("g1", 2)
    await store.settle([again.seq])
    assert await store.receive([delivery("g2")]) == [True]
    (revived,) = await store.claim("n1", 9, 30)
    assert (revived.delivery.guid, revived.attempt) == ("g2", 1)


@contract
async def the_dead_are_listed_and_tried_again_when_somebody_wants_it(store: Store) -> None:
    given = [delivery(f"g{n}") for n in range(5)]
    await store.receive(given)
    taken = await store.claim("n1", 9, 30)
    await store.settle([taken[0].seq], [Failure(e.seq, f"no\0 {e.seq}", None) for e in taken[1:4]])
    assert [each.guid for each in (await store.page(None)).items] == ["g4", "g3", "g2", "g1", "g0"]
    for state, guids in (("new", ["g4"]), ("done", ["g0"]), ("dead", ["g3", "g2", "g1"])):
        page = await store.page(DeliveryState(state))
        assert ([each.guid for each in page.items], page.next_cursor) == (guids, None)
    page = await store.page(DeliveryState.DEAD, limit=2)
    assert page.next_cursor is not None
    rest = await store.page(DeliveryState.DEAD, cursor=page.next_cursor, limit=2)
    assert ([each.guid for each in rest.items], rest.next_cursor) == (["g1"], None)
    for cursor in ("", "0", "x", "-1", "01", str(2**63), "9" * 30):
        with pytest.raises(ValueError, match="cursor"):
            await store.page(None, cursor=cursor)
    (dead,) = rest.items
    assert (dead.event, dead.action, dead.repository) == ("workflow_job", "queued", "acme/web")
    assert dead.error is not None
    assert dead.error.endswith(f" {dead.seq}")
    assert (dead.attempts, dead.requeued_by) == (1, None)
    assert dead.ended_at is not None
    # Only what is dead is tried again.
    assert await store.requeue(taken[0].seq, "ann") is None
    assert await store.requeue(10**9, "ann") is None
    await store.settle([], [Failure(taken[4].seq, "", None)])
    await trio.sleep(0.2)
    began = time.monotonic()
    again = await store.requeue(dead.seq, "ann")
    oldest = (await store.backlog()).oldest_seconds
    assert oldest < time.monotonic() - began + 0.1  # it was dead, and did not wait
    assert again is not None
    assert (again.seq, again.state, again.attempts) == (dead.seq, DeliveryState.NEW, 0)
    assert (again.requeued_by, again.ended_at, again.received_at) == (
        "ann", None, dead.received_at,
    )  # fmt: skip
    assert again.requeued_at is not None
    assert await store.requeue(dead.seq, "bob") is None
    (claimed,) = await store.claim("n2", 9, 30)
    assert claimed.received_at == again.requeued_at > dead.received_at
    assert (claimed.delivery.guid, claimed.attempt) == ("g1", 1)
    assert claimed.delivery.asks == given[1].asks
    await store.settle([claimed.seq])
    (done, _) = (await store.page(DeliveryState.DONE)).items
    assert (done.guid, done.error, done.requeued_by) == ("g1", None, "ann")


@contract
async def what_was_begun_too_often_is_given_up(store: Store) -> None:
    await store.receive([delivery()])
    for attempt in range(1, MOST_ATTEMPTS + 1):
        (taken,) = await store.claim("n1", 9, 30)
        assert taken.attempt == attempt
    assert await store.claim("n1", 9, 30) == []
    backlog = await store.backlog()
    assert (backlog.waiting, backlog.dead, backlog.oldest_seconds) == (0, 1, 0.0)
    await store.settle([taken.seq])  # too late
    assert (await store.backlog()).dead == 1


@contract
async def hooks_and_pruning(store: Store) -> None:
    await store.receive([delivery()])
    await store.receive([replace(delivery("g2"), hook="app/hook")])
    await store.receive([replace(delivery("g3"), hook=None)])
    assert sorted(await store.hooks(9)) == ["/repos/acme/web/hooks/1", "app/hook"]
    assert len(await store.hooks(1)) == 1
    taken = await store.claim("n1", 2, 30)
    await store.settle([taken[0].seq], [Failure(taken[1].seq, "", None)])
    await trio.sleep(0.05)
    assert await store.prune(done_days=1, dead_days=1) == 0
    assert await store.prune(done_days=0, dead_days=1) == 1
    assert await store.prune(done_days=1, dead_days=0) == 1
    assert (await store.backlog()).waiting == 1


# ---------------------------------------------------------------- workflow jobs


@contract
async def a_job_moves_forward_only(store: Store) -> None:
    assert await store.job(1) is None
    (made,) = await store.observe([queued()])
    assert is_(made, queued())
    assert made.first_seen_at is not None
    assert await store.observe([queued(), queued()]) == []
    runs = queued(status="in_progress", runner_name="r1", runner_id=5)
    (changed,) = await store.observe([runs])
    assert is_(changed, runs)
    assert await store.observe([queued(), queued(status="waiting")]) == []
    assert is_(await store.job(1), runs)
    done = replace(runs, status="completed", conclusion="failure", runner_name=None, runner_id=None)
    (changed,) = await store.observe([done, queued(), runs])
    assert (changed.status, changed.conclusion, changed.runner_name) == (
        "completed",
        "failure",
        "r1",
    )
    kept = await store.job(1)
    assert kept is not None
    assert kept.first_seen_at == made.first_seen_at


@contract
async def jobs_are_whole(store: Store) -> None:
    bare = WorkflowJob(2, "a/b", "someday")
    assert len(await store.observe([full(), bare, full()])) == 2
    assert is_(await store.job(1), full())
    assert is_(await store.job(2), bare)
    assert await store.counts() == {"someday": 1}
    assert await store.known_runs([2**62, 3]) == {2**62}


@contract
async def those_that_wait_are_offered_by_label(store: Store) -> None:
    now = datetime.now(UTC)
    await store.observe(
        [
            queued(1, created_at=now),
            queued(2, created_at=now - timedelta(minutes=5)),
            queued(3, "self-hosted", created_at=now),
            queued(4, created_at=now - timedelta(hours=25)),
            replace(queued(5), labels=()),
            queued(6, status="waiting"),
            queued(7, status="completed"),
            queued(8),
        ]
    )
    offered = [job.id for job in await store.queued_for(["SELF-hosted", "gpu", "x"])]
    assert [number for number in offered if number != 8] == [2, 1, 3]
    assert {job.id for job in await store.queued_for(["self-hosted", "gpu"])} == {1, 2, 3, 8}
    assert [job.id for job in await store.queued_for(["self-hosted"])] == [3]
    assert await store.queued_for([]) == []
    assert [job.id for job in await store.queued_for(["self-hosted", "gpu"], limit=1)] == [2]
    assert [job.id for job in await store.queued()] == [1, 2, 3, 5, 8]
    assert [job.id for job in await store.queued(after=2, limit=2)] == [3, 5]
    assert await store.counts() == {"queued": 6, "waiting": 1}


@contract
async def who_was_not_heard_of_is_asked_for(store: Store) -> None:
    await store.observe([queued(1), queued(2), queued(3, status="completed")])
    await store.observe([replace(queued(9), repository="acme/old")])
    await trio.sleep(0.3)
    await store.observe([queued(1)])
    await store.heard([9, 404])
    assert [job.id for job in await store.unheard(0.2, limit=9)] == [2]
    await store.heard([2])
    assert await store.unheard(0.2, limit=9) == []
    await trio.sleep(0.01)
    await store.observe([queued(2)])
    assert await store.repositories(1, limit=9) == ["acme/web", "acme/old"]
    assert await store.repositories(1, limit=1) == ["acme/web"]
    assert await store.prune_jobs(keep_days=1) == 0
    await trio.sleep(0.01)
    assert await store.prune_jobs(keep_days=0) == 4
    assert await store.job(1) is None


@contract
async def jobs_are_found_by_their_runners(store: Store) -> None:
    await store.observe([replace(queued(n), runner_name=f"r-{n % 3}") for n in range(1, 5)])
    found = await store.with_runners(["r-1", "r-2", "r-9"])
    assert sorted((job.runner_name, job.id) for job in found) == [("r-1", 4), ("r-2", 2)]
    assert await store.with_runners([]) == []


@contract.parametrize()
def test_simulated(case: Case) -> None:
    async def main() -> None:
        await case(MemoryWebhooks(simulated_now))

    trio.run(main, clock=MockClock(autojump_threshold=0))


def run_postgres(case: Callable[[PostgresWebhooks], Awaitable[None]], url: str) -> None:
    async def main(bridge: Bridge) -> None:
        store = PostgresWebhooks(bridge, url, connections=8)
        await store.open()
        try:
            with trio.fail_after(60):
                await case(store)
        finally:
            await store.close()

    run_guest(main)


@pytest.mark.real
@contract.parametrize()
def test_postgres(case: Case, fresh_database: str) -> None:
    run_postgres(case, fresh_database)


@pytest.mark.real
def test_many_at_once_decide_as_one(fresh_database: str) -> None:
    steps = ["waiting", "queued", "in_progress", "completed"]

    async def case(store: PostgresWebhooks) -> None:
        told = [queued(number, status=status) for number in range(1, 21) for status in steps]

        async def tell(start: int) -> None:
            order = told[start::7] + told[:start]
            for at in range(0, len(order), 5):
                await store.observe(order[at : at + 5])

        async with trio.open_nursery() as nursery:
            for start in range(7):
                nursery.start_soon(tell, start)
        assert {(await store.job(number)).status for number in range(1, 21)} == {"completed"}  # type: ignore[union-attr]

    run_postgres(case, fresh_database)


@pytest.mark.real
def test_postgres_away_is_said(postgres_server: PostgresServer) -> None:
    async def case(store: PostgresWebhooks) -> None:
        postgres_server.stop()
        with pytest.raises(LedgerUnavailable):
            await store.receive([delivery()])
        with pytest.raises(LedgerUnavailable):
            await store.observe([queued()])
        postgres_server.start()

    name = postgres_server.create_database()
    try:
        run_postgres(case, postgres_server.url(name))
    finally:
        postgres_server.drop_database(name)
