"""The port `Ledger`: one suite, for the ledger in memory and for PostgreSQL."""

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio

from runnerhub.adapters.postgres import PostgresLedger
from runnerhub.adapters.postgres.migrate import migrations
from runnerhub.model.job import (
    Conclusion,
    Execution,
    Job,
    JobSpec,
    Network,
    Phase,
    Ready,
    Reason,
    Resources,
    Service,
    Status,
)
from runnerhub.model.lease import Lease
from runnerhub.model.logs import LogCursor
from runnerhub.model.outcome import CANCELLED, Verdict, timed_out
from runnerhub.model.runner import RunnerWish
from runnerhub.ports.errors import LedgerUnavailable, PortError, StaleFence
from runnerhub.ports.ledger import AcceptResult, LeaseJob, Ledger, LogChunk, Standing
from runnerhub.runtime import Bridge, run_guest
from runnerhub.sim.ledger import MemoryLedger
from tests.contract.harness import (
    Cases,
    LedgerCase,
    run_real_ledger,
    run_simulated_ledger,
    simulated_now,
    soon,
)
from tests.parts.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CREATED, EXISTING, CONFLICT = AcceptResult.CREATED, AcceptResult.EXISTING, AcceptResult.CONFLICT

DONE = Verdict(Conclusion.SUCCESS, Reason.COMPLETED, "the command exited 0", 0)

FULL = JobSpec(
    "full",
    "o/r",
    Execution(
        "python:3.12",
        ("sh", "-c", "echo ü"),
        {"A": "b", "Ü": "☃"},
        Resources(0.5, 512, 100, 1024, 64),
        Network.EGRESS,
        (Service("db", "postgres", {"P": "x"}, ("-c",), Ready(("true",), 1, 5)), Service("s", "i")),
    ),
    "wf",
    "name",
    1 << 40,
    2,
    ("linux", "GPU"),
    70,
    60,
)

contract: Cases[LedgerCase] = Cases()


def spec(external_id: str, *, repository: str = "o/r", image: str = "busybox") -> JobSpec:
    return JobSpec(external_id, repository, Execution(image))


async def accepted(ledger: Ledger, *external_ids: str) -> list[Job]:
    return [answer.job for answer in await ledger.accept([spec(e) for e in external_ids])]


async def owned(ledger: Ledger, holder: str = "n1") -> int:
    lease = await ledger.acquire_lease("host:h", holder, 30)
    assert lease is not None
    return lease.token


async def leased(ledger: Ledger, external_id: str = "1") -> tuple[Job, int]:
    (job,) = await accepted(ledger, external_id)
    fence = await owned(ledger)
    (job,) = await ledger.lease_jobs([LeaseJob(job.id, "h", fence, f"sb-{external_id}")])
    return job, fence


async def running(ledger: Ledger, external_id: str = "1") -> tuple[Job, int]:
    job, fence = await leased(ledger, external_id)
    await ledger.advance(job.id, fence, 1, Phase.PROVISIONING)
    return await ledger.advance(job.id, fence, 1, Phase.RUNNING, "started"), fence


async def given_back(ledger: Ledger, job: Job, fence: int, delay_seconds: float = 0.0) -> Job:
    return await ledger.give_back(
        job.id,
        fence,
        job.attempt,
        reason="host_lost",
        explanation="gone",
        strike=True,
        delay_seconds=delay_seconds,
    )


# ------------------------------------------------------------------ accepting


@contract
async def a_cluster_has_one_id(ledger: Ledger) -> None:
    first = await ledger.cluster_id()
    assert len(first) == 12
    int(first, 16)
    assert await ledger.cluster_id() == first


@contract
async def what_is_accepted_is_kept_whole(ledger: Ledger) -> None:
    (answer,) = await ledger.accept([FULL], retry_of="job_x")
    assert answer.result is CREATED
    job = await ledger.job(answer.job.id)
    assert job == answer.job
    assert job.spec == FULL
    assert (job.phase, job.attempt, job.retry_of) == (Phase.QUEUED, 1, "job_x")
    assert set(job.timestamps) == {"accepted"}
    assert [event.kind for event in await ledger.events(job.id)] == ["accepted"]
    assert await ledger.job("nothing") is None
    assert await ledger.accept([]) in ((), [])


@contract
async def the_same_again_exists_and_another_body_conflicts(ledger: Ledger) -> None:
    (job,) = await accepted(ledger, "1")
    (same,) = await ledger.accept([spec("1")])
    assert (same.result, same.job) == (EXISTING, job)
    (other,) = await ledger.accept([spec("1", image="evil")])
    assert (other.result, other.job) == (CONFLICT, job)
    (elsewhere,) = await ledger.accept([spec("1", repository="o/other")])
    assert elsewhere.result is CREATED
    assert len(await ledger.events(job.id)) == 1


@contract
async def no_conflict_in_a_batch_fails_another(ledger: Ledger) -> None:
    await accepted(ledger, "2")
    batch = [spec("1"), spec("2", image="x"), spec("3"), spec("1"), spec("3", image="x"), spec("2")]
    answers = await ledger.accept(batch)
    assert [a.result for a in answers] == [CREATED, CONFLICT, CREATED, EXISTING, CONFLICT, EXISTING]
    assert [a.job.spec.external_id for a in answers] == ["1", "2", "3", "1", "3", "2"]
    assert answers[0].job == answers[3].job


@contract
async def batches_at_once_make_each_job_once(ledger: Ledger) -> None:
    results: list[AcceptResult] = []

    async def accept(order: int) -> None:
        batch = [spec(str(n)) for n in range(20)][::order]
        results.extend([a.result for a in await ledger.accept(batch)])

    async with trio.open_nursery() as nursery:
        for order in (1, -1) * 4:
            nursery.start_soon(accept, order)
    assert results.count(CREATED) == 20
    assert results.count(EXISTING) == 140


# ------------------------------------------------------------------ a life


@contract
async def a_job_goes_its_way(ledger: Ledger) -> None:
    job, fence = await leased(ledger)
    assert (job.phase, job.host, job.fence, job.sandbox_id) == (Phase.LEASED, "h", fence, "sb-1")
    assert {"accepted", "claimed", "placed"} == set(job.timestamps)
    job = await ledger.advance(job.id, fence, 1, Phase.PROVISIONING, "image_ready")
    job = await ledger.advance(job.id, fence, 1, Phase.PROVISIONING, "created")
    job = await ledger.advance(job.id, fence, 1, Phase.RUNNING, "started")
    assert job.status is Status.IN_PROGRESS
    job = await ledger.conclude(job.id, fence, 1, DONE)
    assert (job.phase, job.conclusion, job.exit_code) == (Phase.REAPING, Conclusion.SUCCESS, 0)
    assert [j.id for j in await ledger.active(["h", "x"], [job.id, "none"])] == [job.id]
    assert not await ledger.active(["h", "x"], ["none"])
    at = Standing(job.id, "h", "sb-1", Phase.REAPING, cancel_requested=False)
    assert list(await ledger.standing(["h", "x"], None, 2)) == [at]
    assert not [*await ledger.standing(["h"], job.id, 2), *await ledger.standing(["x"], None, 2)]
    assert await ledger.live_sandboxes("h") == {"sb-1"}
    assert await ledger.queue_depths() == {"reaping": 1}
    job = await ledger.finish(job.id, fence, 1)
    assert job == await ledger.job(job.id)
    assert {"image_ready", "created", "started", "reaped"} <= set(job.timestamps)
    events = await ledger.events(job.id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    kinds = ["accepted", "leased", "provisioning", "provisioning", "running", "concluded"]
    assert [event.kind for event in events] == [*kinds, "finished"]
    assert events[5].data["reason"] == "completed"
    assert not await ledger.active(["h"], [job.id])
    assert not await ledger.standing(["h"], None, 2)
    assert await ledger.live_sandboxes("h") == frozenset()
    assert await ledger.queue_depths() == {}


@contract
async def doing_a_step_twice_is_no_error(ledger: Ledger) -> None:
    job, fence = await leased(ledger)
    again = LeaseJob(job.id, "h", fence, "sb-1")
    assert await ledger.lease_jobs([again, again]) == [job]
    assert not await ledger.lease_jobs([replace(again, sandbox_id="other")])
    for phase in (Phase.PROVISIONING, Phase.RUNNING):
        once = await ledger.advance(job.id, fence, 1, phase, "created")
        assert await ledger.advance(job.id, fence, 1, phase, "created") == once
    await ledger.conclude(job.id, fence, 1, DONE)
    assert await ledger.finish(job.id, fence, 1) == await ledger.finish(job.id, fence, 1)


@contract
async def open_runners_are_the_jobs_that_become_runners(ledger: Ledger) -> None:
    wish = RunnerWish("/orgs/acme", ("linux", "x64"), 3, scale_set=7)
    runner = replace(FULL, external_id="r", execution=replace(FULL.execution, runner=wish))
    accepted = [each.job for each in await ledger.accept([FULL, runner, spec("1")])]
    assert [job.id for job in await ledger.open_runners()] == [accepted[1].id]
    assert accepted[1].spec.execution.runner == wish
    assert await ledger.conclude_queued(accepted[1].id, CANCELLED)
    assert not await ledger.open_runners()


@contract
async def the_first_conclusion_stands(ledger: Ledger) -> None:
    job, fence = await running(ledger)
    first = await ledger.conclude(job.id, fence, 1, timed_out(5), dead_letter=True)
    assert first.dead_letter
    assert await ledger.conclude(job.id, fence, 1, DONE) == first
    finished = await ledger.finish(job.id, fence, 1)
    assert await ledger.conclude(job.id, fence, 1, DONE) == finished
    assert [j.id for j in (await ledger.jobs(dead_letters=True)).jobs] == [job.id]


@contract
async def steps_that_the_table_forbids_are_refused(ledger: Ledger) -> None:
    job, fence = await running(ledger)
    with pytest.raises(StaleFence):
        await ledger.advance(job.id, fence, 1, Phase.PROVISIONING)
    with pytest.raises(StaleFence):
        await ledger.finish(job.id, fence, 1)
    await ledger.conclude(job.id, fence, 1, CANCELLED)
    with pytest.raises(StaleFence):
        await given_back(ledger, job, fence)
    with pytest.raises(StaleFence):
        await ledger.advance(job.id, fence, 1, Phase.PROVISIONING)


@contract
async def what_happened_some_seconds_ago_is_stamped_so(ledger: Ledger) -> None:
    job, fence = await leased(ledger)
    job = await ledger.advance(job.id, fence, 1, Phase.RUNNING, "started", ago={"created": 2.5})
    job = await ledger.conclude(job.id, fence, 1, DONE, ago={"exited": 1.0, "created": 0.0})
    stamps = job.timestamps
    between = (stamps["started"] - stamps["created"]).total_seconds()
    assert between == pytest.approx(2.5, abs=0.01)
    assert (stamps["exited"] - stamps["started"]).total_seconds() == pytest.approx(-1, abs=0.5)


@contract
async def every_write_checks_the_fence(ledger: Ledger) -> None:
    job, old = await running(ledger)
    new = await owned(ledger)
    assert new > old
    writes: list[Callable[[str, int, int], Awaitable[object]]] = [
        lambda i, f, a: ledger.advance(i, f, a, Phase.RUNNING, "exited"),
        lambda i, f, a: ledger.append_log(LogChunk(i, a, 0, b"x", LogCursor()), f),
        lambda i, f, a: ledger.conclude(i, f, a, DONE),
        ledger.finish,
    ]
    before = await ledger.job(job.id)
    for write in writes:
        for where in ((job.id, old, 1), (job.id, new, 2), (job.id, new + 1, 1), ("none", new, 1)):
            with pytest.raises(StaleFence):
                await write(*where)
    for fence, attempt in ((old, 1), (new, 2)):
        with pytest.raises(StaleFence):
            await given_back(ledger, replace(job, attempt=attempt), fence)
    assert await ledger.job(job.id) == before
    for write in writes:  # who came back adopts the job under the new token
        await write(job.id, new, 1)
    for write in writes[2:]:  # also when it was done already
        with pytest.raises(StaleFence):
            await write(job.id, old, 1)


@contract
async def only_the_owner_of_a_host_leases_jobs_for_it(ledger: Ledger) -> None:
    first, second = await accepted(ledger, "1", "2")
    fence = await owned(ledger)
    wanted = [
        LeaseJob(first.id, "h", fence - 1, "a"),
        LeaseJob(first.id, "unowned", fence, "b"),
        LeaseJob("none", "h", fence, "c"),
    ]
    assert not [j for want in wanted for j in await ledger.lease_jobs([want])]
    taken = await ledger.lease_jobs([LeaseJob(j.id, "h", fence, j.id) for j in (second, first)])
    assert {j.id for j in taken} == {first.id, second.id}
    assert not await ledger.lease_jobs([])


@contract
async def a_job_given_back_is_a_new_attempt(ledger: Ledger) -> None:
    job, fence = await running(ledger)
    await ledger.request_cancel(job.id)
    back = await given_back(ledger, job, fence, 0.3)
    assert (back.phase, back.attempt, back.strikes) == (Phase.QUEUED, 2, 1)
    assert (back.host, back.sandbox_id, back.fence) == (None, None, None)
    assert back.cancel_requested
    assert back.timestamps == {"accepted": job.timestamps["accepted"]}
    assert await given_back(ledger, job, fence, 0.3) == back
    event = (await ledger.events(job.id))[-1]
    assert (event.kind, event.attempt, event.data["reason"]) == ("given_back", 1, "host_lost")
    want = LeaseJob(job.id, "h", fence, "sb-2")
    assert not await ledger.lease_jobs([want])  # not due yet
    await trio.sleep(0.4)
    (again,) = await ledger.lease_jobs([want])
    assert (again.attempt, again.sandbox_id, again.not_before) == (2, "sb-2", None)
    with pytest.raises(StaleFence):
        await given_back(ledger, job, fence)


@contract
async def a_queued_job_is_concluded_once(ledger: Ledger) -> None:
    (job,) = await accepted(ledger, "1")
    done = await ledger.conclude_queued(job.id, CANCELLED)
    assert done is not None
    assert (done.phase, done.conclusion) == (Phase.FINISHED, Conclusion.CANCELLED)
    assert await ledger.conclude_queued(job.id, CANCELLED) is None
    assert await ledger.conclude_queued("none", CANCELLED) is None
    other, _ = await leased(ledger, "2")
    assert await ledger.conclude_queued(other.id, CANCELLED) is None


@contract
async def a_cancel_is_noted_unless_completed(ledger: Ledger) -> None:
    job, fence = await running(ledger)
    for _ in range(2):
        noted = await ledger.request_cancel(job.id)
        assert noted is not None
        assert noted.cancel_requested
    assert [e.kind for e in await ledger.events(job.id)].count("cancel_requested") == 1
    other, fence = await running(ledger, "2")
    done = await ledger.conclude(other.id, fence, 1, DONE)
    assert await ledger.request_cancel(other.id) == done
    assert await ledger.request_cancel("none") is None


@contract
async def of_two_owners_at_once_one_leases(ledger: Ledger) -> None:
    jobs = await accepted(ledger, *(str(n) for n in range(10)))
    fence = await owned(ledger)
    taken: list[str] = []

    async def take(name: str, order: int) -> None:
        wanted = [LeaseJob(j.id, "h", fence, f"{name}-{j.id}") for j in jobs][::order]
        taken.extend([j.id for j in await ledger.lease_jobs(wanted)])

    async with trio.open_nursery() as nursery:
        for n in range(6):
            nursery.start_soon(take, str(n), 1 if n % 2 else -1)
    assert sorted(taken) == sorted(j.id for j in jobs)


@contract
async def writers_at_once_conclude_once(ledger: Ledger) -> None:
    job, fence = await running(ledger)
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(ledger.conclude, job.id, fence, 1, DONE)
            nursery.start_soon(ledger.request_cancel, job.id)
    kinds = [event.kind for event in await ledger.events(job.id)]
    assert kinds.count("concluded") == 1


@contract
async def a_write_comes_before_a_new_owner_or_not_at_all(ledger: Ledger) -> None:
    for n in range(20):
        job, fence = await leased(ledger, str(n))
        seen: list[Job | None] = []

        async def take(job_id: str, seen: list[Job | None]) -> None:
            await owned(ledger)
            seen.append(await ledger.job(job_id))

        async def conclude(job_id: str, fence: int) -> None:
            with contextlib.suppress(StaleFence):
                await ledger.conclude(job_id, fence, 1, DONE)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take, job.id, seen)
            nursery.start_soon(conclude, job.id, fence)
        assert seen == [await ledger.job(job.id)]


# ------------------------------------------------------------------ lists


@contract
async def lists_are_paged_newest_first(ledger: Ledger) -> None:
    jobs = [(await accepted(ledger, str(n)))[0].id for n in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = await ledger.jobs(cursor=cursor, limit=3)
        seen += [job.id for job in page.jobs]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == jobs[::-1]
    assert (await ledger.jobs(limit=7)).next_cursor is None
    for bad in ("", "x", "job_'; --", "job_" + "u" * 26):
        with pytest.raises(ValueError, match="cursor"):
            await ledger.jobs(cursor=bad)


@contract
async def lists_are_filtered(ledger: Ledger) -> None:
    queued, (other,) = await accepted(ledger, "q"), await ledger.accept([spec("1", repository="b")])
    live, _ = await running(ledger, "r")
    reaping, fence = await running(ledger, "c")
    await ledger.conclude(reaping.id, fence, 1, DONE)

    async def ids(status: Status | None = None, repository: str | None = None) -> set[str]:
        return {j.id for j in (await ledger.jobs(status=status, repository=repository)).jobs}

    assert await ids(Status.QUEUED) == {queued[0].id, other.job.id}
    assert await ids(Status.IN_PROGRESS) == {live.id}
    assert await ids(Status.COMPLETED) == {reaping.id}
    assert await ids(repository="b") == {other.job.id}
    assert await ids(Status.COMPLETED, "b") == set()


@contract
async def queued_jobs_are_paged_by_id(ledger: Ledger) -> None:
    jobs = [j.id for j in await accepted(ledger, "1", "2", "3", "4")]
    fence = await owned(ledger)
    await ledger.lease_jobs([LeaseJob(jobs[1], "h", fence, "s")])
    first = await ledger.queued(None, 2)
    rest = await ledger.queued(first[-1].id, 2)
    assert sorted(j.id for j in (*first, *rest)) == sorted({*jobs} - {jobs[1]})
    assert [j.id for j in first] == sorted(j.id for j in first)


@contract
async def jobs_expire_in_the_queue_only(ledger: Ledger) -> None:
    (old,) = await accepted(ledger, "1")
    await leased(ledger, "2")
    await trio.sleep(0.3)
    await accepted(ledger, "3")
    assert list(await ledger.expired_in_queue(0.2, 10)) == [old.id]
    assert not await ledger.expired_in_queue(60, 10)


# ------------------------------------------------------------------ leases and hosts


@contract
async def a_holder_retakes_its_lease_at_once_under_a_higher_token(ledger: Ledger) -> None:
    tokens = [await owned(ledger) for _ in range(3)]
    assert tokens == sorted(set(tokens))


@contract
async def another_holder_waits_for_the_lease_to_expire(ledger: Ledger) -> None:
    first = await ledger.acquire_lease("host:h", "n1", 0.3)
    assert first is not None
    assert await ledger.acquire_lease("host:h", "n2", 30) is None
    await trio.sleep(0.4)
    second = await ledger.acquire_lease("host:h", "n2", 30)
    assert second is not None
    assert second.token > first.token
    assert await ledger.renew_leases([first]) in ((), [])
    await ledger.release_lease(first)  # no longer its own
    assert await ledger.acquire_lease("host:h", "n1", 30) is None


@contract
async def a_renewal_after_expiry_is_fine_if_nobody_took_it(ledger: Ledger) -> None:
    first = await ledger.acquire_lease("host:h", "n1", 0.1)
    other = await ledger.acquire_lease("host:i", "n1", 30)
    assert first is not None
    assert other is not None
    await trio.sleep(0.2)
    longer = replace(first, ttl_seconds=30)
    never = Lease("host:never", "n1", 1, 30)
    assert list(await ledger.renew_leases([longer, never, other])) == [longer, other]
    assert await ledger.acquire_lease("host:h", "n2", 30) is None
    assert await ledger.renew_leases([]) in ((), [])


@contract
async def a_released_lease_is_free(ledger: Ledger) -> None:
    first = await ledger.acquire_lease("host:h", "n1", 30)
    assert first is not None
    await ledger.release_lease(first)
    await ledger.release_lease(first)
    second = await ledger.acquire_lease("host:h", "n2", 30)
    assert second is not None
    assert second.token > first.token


@contract
async def of_many_at_once_one_takes_the_lease(ledger: Ledger) -> None:
    got: list[Lease | None] = []

    async def take(holder: str) -> None:
        got.append(await ledger.acquire_lease("host:h", holder, 30))

    async with trio.open_nursery() as nursery:
        for n in range(8):
            nursery.start_soon(take, f"n{n}")
    assert sum(lease is not None for lease in got) == 1


@contract
async def hosts_are_drained_until_taken_back(ledger: Ledger) -> None:
    for _ in range(2):
        await ledger.set_drained("h", drained=True)
    assert await ledger.drained_hosts() == {"h"}
    for _ in range(2):
        await ledger.set_drained("h", drained=False)
    assert await ledger.drained_hosts() == frozenset()


# ------------------------------------------------------------------ logs


@contract
async def a_log_is_kept_in_chunks(ledger: Ledger) -> None:
    job, fence = await running(ledger)
    assert await ledger.log_end(job.id, 1) == (0, LogCursor(), 0)
    for seq in range(3):
        chunk = LogChunk(job.id, 1, seq, b"\0\xff%d" % seq, LogCursor(f"t{seq}", seq, 1))
        await ledger.append_log(replace(chunk, marks={"lines": seq}), fence)
    await ledger.append_log(LogChunk(job.id, 1, 1, b"other", LogCursor("x")), fence)
    assert await ledger.log_end(job.id, 1) == (3, LogCursor("t2", 2, 1), 9)
    chunks = await ledger.log_chunks(job.id, 1)
    assert [(c.seq, c.data) for c in chunks] == [(n, b"\0\xff%d" % n) for n in range(3)]
    assert chunks[1].marks == {"lines": 1}
    assert chunks[1].at is not None
    assert [c.seq for c in await ledger.log_chunks(job.id, 1, from_seq=1, limit=1)] == [1]
    assert not await ledger.log_chunks(job.id, 2)


@contract
async def what_is_old_is_pruned(ledger: Ledger) -> None:
    job, fence = await running(ledger)
    await ledger.append_log(LogChunk(job.id, 1, 0, b"x", LogCursor("t")), fence)
    (waiting,) = await accepted(ledger, "w")
    old = 0.1 / 86_400
    await trio.sleep(0.2)
    assert await ledger.prune(keep_days=old, log_days=old) == {"jobs": 0, "log_chunks": 0}
    await ledger.conclude(job.id, fence, 1, DONE)
    await ledger.finish(job.id, fence, 1)
    await trio.sleep(0.2)
    assert await ledger.prune(keep_days=1, log_days=old) == {"jobs": 0, "log_chunks": 1}
    assert await ledger.prune(keep_days=old, log_days=old) == {"jobs": 1, "log_chunks": 0}
    assert await ledger.job(job.id) is None
    assert not await ledger.events(job.id)
    assert await ledger.job(waiting.id) == waiting
    (again,) = await ledger.accept([spec("1")])
    assert again.result is CREATED


# ------------------------------------------------------------------ on both


@contract.parametrize()
def test_simulated(case: LedgerCase) -> None:
    run_simulated_ledger(case)


@pytest.mark.real
@contract.parametrize()
def test_postgres(case: LedgerCase, fresh_database: str) -> None:
    run_real_ledger(case, fresh_database)


# ------------------------------------------------------------------ outages


async def test_a_simulated_outage_is_seen_and_ends() -> None:
    ledger = MemoryLedger(simulated_now)
    (job,) = await accepted(ledger, "1")
    ledger.outage = True
    with pytest.raises(LedgerUnavailable):
        await ledger.job(job.id)
    ledger.outage = False
    assert await ledger.job(job.id) == job


@pytest.mark.real
def test_an_outage_of_postgres_is_seen_and_ends(
    fresh_database: str, postgres_server: PostgresServer
) -> None:
    async def case(ledger: PostgresLedger) -> None:
        (job,) = await accepted(ledger, "1")
        async with trio.open_nursery() as nursery:  # so that several connections are open
            for _ in range(8):
                nursery.start_soon(ledger.job, job.id)
        postgres_server.stop()
        with pytest.raises(LedgerUnavailable):
            await ledger.job(job.id)
        with pytest.raises(LedgerUnavailable):
            await ledger.accept([spec("2")])
        postgres_server.start()

        async def answers() -> bool:
            try:
                return await ledger.job(job.id) == job
            except LedgerUnavailable:
                return False

        await soon(answers)
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(ledger.job, job.id)
        assert (await ledger.accept([spec("1")]))[0].result is EXISTING

    run_real_ledger(case, fresh_database)


@pytest.mark.real
def test_cancelled_calls_leave_no_connection_behind(fresh_database: str) -> None:
    async def case(ledger: PostgresLedger) -> None:
        for n in range(60):
            with trio.move_on_after(0.0002 * (n % 10)):
                await accepted(ledger, *(f"{n}-{m}" for m in range(5)))
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(ledger.queue_depths)
        depths = await ledger.queue_depths()
        assert depths.get("queued", 0) % 5 == 0  # each batch whole, or not at all

    run_real_ledger(case, fresh_database)


@pytest.mark.real
def test_what_postgres_cannot_hold_is_refused(fresh_database: str) -> None:
    async def case(ledger: PostgresLedger) -> None:
        for bad in ("nul\0", "half a pair \ud800"):
            with pytest.raises(PortError, match="refuses") as caught:
                await ledger.accept([spec(bad)])
            assert not isinstance(caught.value, LedgerUnavailable)
        job, fence = await running(ledger)
        words = Verdict(Conclusion.FAILURE, Reason.START_FAILED, "a\0b\ud800")
        assert (await ledger.conclude(job.id, fence, 1, words)).explanation == "a\ufffdb?"

    run_real_ledger(case, fresh_database)


@pytest.mark.real
def test_sessions_that_were_ended_are_replaced(
    fresh_database: str, postgres_server: PostgresServer
) -> None:
    async def case(ledger: PostgresLedger) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(ledger.queue_depths)
        postgres_server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'runnerhub'"
        )
        await trio.sleep(0.1)
        assert await ledger.queue_depths() == {}

    run_real_ledger(case, fresh_database)


@pytest.mark.real
def test_processes_that_start_at_once_migrate_once(
    fresh_database: str, postgres_server: PostgresServer
) -> None:
    async def main(bridge: Bridge) -> None:
        ledgers = [PostgresLedger(bridge, fresh_database) for _ in range(6)]
        async with trio.open_nursery() as nursery:
            for ledger in ledgers:
                nursery.start_soon(ledger.open)
        ids = {await ledger.cluster_id() for ledger in ledgers}
        assert len(ids) == 1
        for ledger in ledgers:
            await ledger.close()
            await ledger.close()
            with pytest.raises(LedgerUnavailable):
                await ledger.cluster_id()

    run_guest(main)
    name = fresh_database.removeprefix("postgresql://runnerhub@/").partition("?")[0]
    count = postgres_server.execute("SELECT count(*) FROM schema_migrations", name)
    assert int(count) == len(migrations())


@pytest.mark.real
def test_opening_may_be_tried_again(fresh_database: str, postgres_server: PostgresServer) -> None:
    async def main(bridge: Bridge) -> None:
        ledger = PostgresLedger(bridge, fresh_database)
        postgres_server.stop()
        with pytest.raises(LedgerUnavailable):
            await ledger.open()
        postgres_server.start()
        await ledger.open()
        await ledger.cluster_id()
        await ledger.close()

    run_guest(main)
