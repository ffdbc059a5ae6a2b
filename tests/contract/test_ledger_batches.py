"""Steps of many jobs at once: each as if it were alone, and in one statement on PostgreSQL."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import pytest
import trio
import trio.testing

from runnerhub.adapters.postgres import PostgresLedger, stepping
from runnerhub.model.job import Conclusion, Job, Phase
from runnerhub.model.logs import LogCursor
from runnerhub.model.outcome import CANCELLED
from runnerhub.ports.errors import LedgerUnavailable, PortError, StaleFence
from runnerhub.ports.ledger import LeaseJob, Ledger, LogChunk
from runnerhub.sim.ledger import MemoryLedger
from tests.contract.harness import (
    Cases,
    LedgerCase,
    run_real_ledger,
    run_simulated_ledger,
    simulated_now,
)
from tests.contract.test_ledger import DONE, accepted, spec
from tests.parts.postgres import PostgresServer

contract: Cases[LedgerCase] = Cases()

Step = Callable[[Ledger, Job, int, int], Awaitable[object]]

KINDS = ("accepted", "leased", "provisioning", "running", "concluded", "finished")
STEPS: tuple[Step, ...] = (
    lambda ledger, job, fence, attempt: ledger.advance(job.id, fence, attempt, Phase.PROVISIONING),
    lambda ledger, job, fence, attempt: ledger.advance(
        job.id, fence, attempt, Phase.RUNNING, "started", ago={"created": 1.0}
    ),
    lambda ledger, job, fence, attempt: ledger.conclude(
        job.id, fence, attempt, DONE, dead_letter=attempt > 1, ago={"exited": 0.0}
    ),
    lambda ledger, job, fence, attempt: ledger.conclude(job.id, fence, attempt, CANCELLED),
    lambda ledger, job, fence, attempt: ledger.finish(job.id, fence, attempt),
    lambda ledger, job, fence, attempt: ledger.give_back(
        job.id, fence, attempt, reason="host_lost", explanation="", strike=True, delay_seconds=0.0
    ),
    lambda ledger, job, fence, attempt: ledger.append_log(
        LogChunk(job.id, attempt, 0, b"x", LogCursor("t", 1, 0)), fence
    ),
)


async def many_leased(ledger: Ledger, count: int) -> tuple[list[Job], int]:
    jobs = await accepted(ledger, *(str(n) for n in range(count)))
    lease = await ledger.acquire_lease("host:h", "n1", 30)
    assert lease is not None
    wanted = [LeaseJob(job.id, "h", lease.token, f"sb-{job.id}") for job in jobs]
    return list(await ledger.lease_jobs(wanted)), lease.token


async def outcome(call: Awaitable[object]) -> object:
    try:
        return await call
    except (PortError, LedgerUnavailable) as error:
        return error


async def at_once(*calls: Awaitable[object]) -> list[object]:
    """Return what became of each, in order."""
    found: list[object] = [None] * len(calls)

    async def one(index: int, call: Awaitable[object]) -> None:
        found[index] = await outcome(call)

    async with trio.open_nursery() as nursery:
        for index, call in enumerate(calls):
            nursery.start_soon(one, index, call)
    return found


@contract
async def what_may_not_be_done_fails_alone(ledger: Ledger) -> None:
    jobs, fence = await many_leased(ledger, 40)

    def advance(job: Job, token: int = fence, to: Phase = Phase.RUNNING) -> Awaitable[object]:
        return ledger.advance(job.id, token, 1, to, "started")

    stale, forbidden, *rest = jobs
    found = await at_once(
        *(advance(job) for job in rest[:20]),
        advance(stale, fence - 1),
        ledger.finish(forbidden.id, fence, 1),
        ledger.finish("nothing", fence, 1),
        *(advance(job, to=Phase.PROVISIONING) for job in rest[20:]),
    )
    refused = found[20:23]
    assert all(isinstance(error, StaleFence) for error in refused), refused
    assert [error for error in found if isinstance(error, Exception)] == refused
    moved = [job.phase for job in found if isinstance(job, Job)]
    assert moved == [Phase.RUNNING] * 20 + [Phase.PROVISIONING] * 18
    for job in (stale, forbidden):
        assert await ledger.job(job.id) == job
        assert len(await ledger.events(job.id)) == 2


@contract
async def logs_of_many_jobs_keep_to_their_fences(ledger: Ledger) -> None:
    jobs, fence = await many_leased(ledger, 20)
    stale = jobs[7]
    found = await at_once(
        *(
            ledger.append_log(
                LogChunk(job.id, 1, 0, job.id.encode(), LogCursor(job.id, 1, 0)),
                fence - (job is stale),
            )
            for job in jobs
        ),
    )
    assert [n for n, answer in enumerate(found) if answer is not None] == [7]
    assert isinstance(found[7], StaleFence)
    ends = [(1, LogCursor(job.id, 1, 0), len(job.id)) for job in jobs]
    ends[7] = (0, LogCursor(), 0)
    found = await at_once(*(ledger.log_end(job.id, 1) for job in jobs), ledger.log_end("none", 1))
    assert found == [*ends, (0, LogCursor(), 0)]
    for job in jobs:
        chunks = await ledger.log_chunks(job.id, 1)
        assert [chunk.data for chunk in chunks] == ([] if job is stale else [job.id.encode()])


@contract
async def steps_of_one_job_are_taken_in_the_order_in_which_they_were_asked_for(
    ledger: Ledger,
) -> None:
    jobs, fence = await many_leased(ledger, 10)
    found: list[object] = []

    async def step(call: Awaitable[object]) -> None:
        found.append(await outcome(call))

    async with trio.open_nursery() as nursery:
        for take in (STEPS[0], STEPS[1], STEPS[2], STEPS[4]):
            for job in jobs:
                nursery.start_soon(step, take(ledger, job, fence, 1))
            await trio.testing.wait_all_tasks_blocked()
    assert Counter(job.phase for job in found if isinstance(job, Job)) == dict.fromkeys(
        (Phase.PROVISIONING, Phase.RUNNING, Phase.REAPING, Phase.FINISHED), 10
    )


@contract
async def a_cancelled_step_never_comes_after_a_later_one(ledger: Ledger) -> None:
    (job, *_), fence = await many_leased(ledger, 1)
    for call in (
        ledger.advance(job.id, fence, 1, Phase.PROVISIONING),
        ledger.advance(job.id, fence, 1, Phase.RUNNING, "started"),
        ledger.conclude(job.id, fence, 1, CANCELLED),
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome, call)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    concluded = await ledger.conclude(job.id, fence, 1, DONE)
    assert concluded.conclusion in (Conclusion.CANCELLED, Conclusion.SUCCESS)
    finished = await ledger.finish(job.id, fence, 1)
    assert (finished.phase, finished.conclusion) == (Phase.FINISHED, concluded.conclusion)
    kinds = [event.kind for event in await ledger.events(job.id)]
    assert [kind for kind in KINDS if kind in kinds] == kinds


@contract
async def the_end_of_a_log_lies_behind_what_a_cancelled_write_left(ledger: Ledger) -> None:
    jobs, fence = await many_leased(ledger, 5)
    for job in jobs:
        left = LogChunk(job.id, 1, 0, b"left", LogCursor("t0", 1, 0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome, ledger.append_log(left, fence))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        seq, cursor, size = await ledger.log_end(job.id, 1)
        assert (seq, cursor, size) in ((0, LogCursor(), 0), (1, left.cursor, 4))
        more = LogChunk(job.id, 1, seq, b"more", LogCursor("t1", 1, 0))
        await ledger.append_log(more, fence)
        chunks = await ledger.log_chunks(job.id, 1)
        assert [chunk.data for chunk in chunks] == [b"left", b"more"][1 - seq :]


@contract.parametrize()
def test_simulated(case: LedgerCase) -> None:
    run_simulated_ledger(case)


@pytest.mark.real
@contract.parametrize()
def test_postgres(case: LedgerCase, fresh_database: str) -> None:
    run_real_ledger(case, fresh_database)


# ------------------------------------------------------------------ how PostgreSQL does it


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps each statement has taken."""
    seen: list[int] = []
    take = stepping.take

    async def counted(connection: Any, steps: Sequence[stepping.Step]) -> Any:
        seen.append(len(steps))
        return await take(connection, steps)

    monkeypatch.setattr(stepping, "take", counted)
    return seen


@pytest.mark.real
def test_what_is_asked_at_once_is_one_statement(fresh_database: str, batches: list[int]) -> None:
    async def case(ledger: PostgresLedger) -> None:
        await what_may_not_be_done_fails_alone(ledger)
        assert batches == [41]

    run_real_ledger(case, fresh_database)


@pytest.mark.real
def test_what_postgres_refuses_fails_nobody_else(fresh_database: str, batches: list[int]) -> None:
    async def case(ledger: PostgresLedger) -> None:
        jobs, fence = await many_leased(ledger, 5)
        found = await at_once(
            *(ledger.advance(job.id, fence, 1, Phase.RUNNING, "started") for job in jobs[:3]),
            ledger.advance(jobs[3].id, fence, 1, Phase.RUNNING, "nul\0"),
            ledger.advance(jobs[4].id, 1 << 70, 1, Phase.RUNNING),
        )
        assert [type(answer) for answer in found] == [Job, Job, Job, PortError, PortError]
        assert batches == [5, 1, 1, 1, 1, 1]

    run_real_ledger(case, fresh_database)


@pytest.mark.real
def test_a_connection_that_ends_in_the_middle_is_everybodys_loss(
    fresh_database: str, postgres_server: PostgresServer
) -> None:
    waiting = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{}'"
    waiting = waiting.format(fresh_database.removeprefix("postgresql://runnerhub@/").split("?")[0])

    async def case(ledger: PostgresLedger) -> None:
        jobs, fence = await many_leased(ledger, 12)
        before = [await ledger.job(job.id) for job in jobs]
        bridge = ledger._bridge
        holder = await bridge.call(asyncpg.connect, fresh_database)
        await bridge.call(holder.execute, "BEGIN; SELECT FROM jobs FOR UPDATE LIMIT 1")
        lost: list[object] = []
        later: list[object] = []

        async def ask(some: Sequence[Job], answers: list[object]) -> None:
            steps = (ledger.advance(job.id, fence, 1, Phase.RUNNING, "started") for job in some)
            answers += await at_once(*steps)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, jobs[:8], lost)
            while postgres_server.execute(f"SELECT count(*) {waiting}") == "0":
                await trio.lowlevel.checkpoint()
            nursery.start_soon(ask, jobs[8:], later)
            await trio.testing.wait_all_tasks_blocked()
            postgres_server.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
        assert [type(answer) for answer in lost] == [LedgerUnavailable] * 8
        assert [type(answer) for answer in later] == [Job] * 4
        assert [await ledger.job(job.id) for job in jobs[:8]] == before[:8]
        await bridge.call(holder.execute, "ROLLBACK")
        await bridge.call(holder.close)
        await ask(jobs, later)
        assert [type(answer) for answer in later] == [Job] * 16

    run_real_ledger(case, fresh_database)


@pytest.mark.real
def test_a_plan_made_for_few_jobs_serves_many(
    fresh_database: str, postgres_server: PostgresServer
) -> None:
    name = fresh_database.removeprefix("postgresql://runnerhub@/").split("?")[0]

    async def case(ledger: PostgresLedger) -> None:
        jobs, fence = await many_leased(ledger, 20)
        for job in jobs:  # so often that PostgreSQL makes a plan for good
            await STEPS[1](ledger, job, fence, 1)
            await STEPS[6](ledger, job, fence, 1)
        await ledger.accept([spec(f"more-{n}") for n in range(1000)])
        await ledger._run(_flush_statistics)
        before = int(postgres_server.execute(_READ, name))
        for job in jobs:
            await STEPS[2](ledger, job, fence, 1)
            await STEPS[6](ledger, job, fence, 1)
        await ledger._run(_flush_statistics)
        assert int(postgres_server.execute(_READ, name)) - before < 1000

    run_real_ledger(case, fresh_database)


_READ = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'jobs'"


async def _flush_statistics(connection: Any) -> None:
    await connection.execute("SELECT pg_stat_force_next_flush()")


# ------------------------------------------------------------------ a batch is one by one


def seen(answer: object) -> object:
    """Return what an answer says, without ids and times, which differ from ledger to ledger."""
    if not isinstance(answer, Job):
        return answer if answer is None else type(answer)
    fields = (answer.phase, answer.attempt, answer.strikes, answer.host, answer.conclusion)
    more = (answer.reason, answer.explanation, answer.exit_code, answer.dead_letter)
    return *fields, *more, answer.not_before is None, sorted(answer.timestamps)


async def history(ledger: Ledger, job: Job) -> list[object]:
    events = await ledger.events(job.id)
    kept = [(e.seq, e.kind, e.attempt, e.data) for e in events if e.kind != "leased"]
    return [seen(await ledger.job(job.id)), kept, await ledger.log_end(job.id, 1)]


@pytest.mark.real
@pytest.mark.parametrize("seed", range(5))
def test_a_batch_is_what_one_by_one_would_be(seed: int, fresh_database: str) -> None:
    async def case(ledger: PostgresLedger) -> None:
        chance = random.Random(seed)  # noqa: S311
        together, fence = await many_leased(ledger, 60)
        single = MemoryLedger(simulated_now)
        alone, _ = await many_leased(single, 60)
        for _ in range(6):
            plan = [
                (
                    n,
                    chance.choice(STEPS),
                    fence if chance.random() < 0.9 else fence - 1,
                    1 if chance.random() < 0.8 else 2,
                )
                for n in range(60)
            ]
            answers = await at_once(
                *(take(ledger, together[n], token, attempt) for n, take, token, attempt in plan)
            )
            for (n, take, token, attempt), answer in zip(plan, answers, strict=True):
                expected = await outcome(take(single, alone[n], token, attempt))
                assert seen(answer) == seen(expected), (n, STEPS.index(take), token, attempt)
        for one, other in zip(together, alone, strict=True):
            assert await history(ledger, one) == await history(single, other)

    run_real_ledger(case, fresh_database)
