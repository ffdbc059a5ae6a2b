"""The port `ScaleSetLedger`: one suite, in memory and in PostgreSQL."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import trio
from trio.testing import MockClock

from runnerhub.adapters.postgres.scale_sets import PostgresScaleSets
from runnerhub.model.runner import RunnerWish
from runnerhub.model.scale_set_job import RequestState, ScaleSetJob
from runnerhub.model.webhook_job import WorkflowJob
from runnerhub.ports.errors import LedgerUnavailable, StaleFence
from runnerhub.ports.scale_set_ledger import ScaleSetLedger
from runnerhub.runtime import Bridge, run_guest
from runnerhub.sim.scale_sets import MemoryScaleSets
from tests.contract.harness import Cases, simulated_now
from tests.parts.postgres import PostgresServer

Case = Callable[[ScaleSetLedger], Awaitable[None]]

contract: Cases[Case] = Cases()

NOW = datetime.now(UTC).replace(microsecond=0)


def offered(number: int = 1, **more: object) -> ScaleSetJob:
    job = WorkflowJob(number, "acme/wéb", "queued", ("big", "b"), name="tést", created_at=NOW)
    return replace(ScaleSetJob(number, RequestState.AVAILABLE, job), **more)  # type: ignore[arg-type]


def moved(state: RequestState, status: str, number: int = 1, **more: object) -> ScaleSetJob:
    told = offered(number)
    return replace(told, state=state, job=replace(told.job, status=status, **more))  # type: ignore[arg-type]


STARTED = moved(RequestState.STARTED, "in_progress", runner_name="r1", started_at=NOW)


@contract
async def the_same_again_changes_nothing(ledger: ScaleSetLedger) -> None:
    assert list(await ledger.observe("s", [offered(), offered()])) == [offered()]
    assert not await ledger.observe("s", [offered()])
    assert not await ledger.observe("s", [])
    assert list(await ledger.observe("other", [offered()])) == [offered()]


@contract
async def a_job_moves_forward_only(ledger: ScaleSetLedger) -> None:
    (job,) = await ledger.observe("s", [STARTED])
    assert job.state is RequestState.STARTED
    assert not await ledger.observe("s", [offered(), moved(RequestState.ASSIGNED, "queued")])
    done = moved(RequestState.COMPLETED, "completed", conclusion="success", completed_at=NOW)
    (job,) = await ledger.observe("s", [done])
    assert (job.state, job.job.runner_name, job.job.started_at) == ("completed", "r1", NOW)


@contract
async def offers_wait_until_they_are_decided(ledger: ScaleSetLedger) -> None:
    await ledger.observe("s", [offered(n) for n in (3, 1, 2, 4)])
    assert list(await ledger.available("s", limit=3)) == [1, 2, 3]
    await ledger.observe("s", [moved(RequestState.ASSIGNED, "queued", 4)])
    await ledger.settle("s", acquired=[1], passed=[2, 4])
    assert list(await ledger.available("s", limit=9)) == [3]
    assert not await ledger.observe("s", [offered(1)])
    (again,) = await ledger.observe("s", [offered(2)])
    assert again.state is RequestState.AVAILABLE
    assert list(await ledger.available("s", limit=9)) == [2, 3]
    await ledger.settle("s", acquired=[2, 4, 99], passed=[])
    (assigned,) = await ledger.observe("s", [moved(RequestState.ASSIGNED, "queued", 2)])
    assert assigned.state is RequestState.ASSIGNED
    assert list(await ledger.available("other", limit=9)) == []


@contract
async def jobs_are_found_by_their_runner(ledger: ScaleSetLedger) -> None:
    await ledger.observe("s", [STARTED, offered(2)])
    (job,) = await ledger.jobs_of("s", ["r1", "r2"])
    assert job.heard_at is not None
    assert replace(job, heard_at=None) == STARTED.job
    assert not await ledger.jobs_of("other", ["r1"])
    assert not await ledger.jobs_of("s", [])


@contract
async def a_session_is_noted_under_the_token_of_the_lease(ledger: ScaleSetLedger) -> None:
    assert await ledger.session("s") is None
    await ledger.note_session("s", 2, "a")
    await ledger.note_session("s", 2, "b")
    with pytest.raises(StaleFence):
        await ledger.note_session("s", 1, "c")
    assert await ledger.session("s") == "b"
    await ledger.note_session("s", 3, None)
    assert await ledger.session("s") is None
    with pytest.raises(StaleFence):
        await ledger.note_session("s", 2, "d")


@contract
async def names_of_runners_are_noted(ledger: ScaleSetLedger) -> None:
    wish = RunnerWish("/orgs/acme", ("big",), 2, "pool", 7)
    await ledger.note_runner("r1", wish)
    await ledger.note_runner("r1", wish)
    await ledger.note_runner("r2", replace(wish, scope="/orgs/other"))
    assert await ledger.noted_runners("/orgs/acme") == {"r1": RunnerWish("/orgs/acme", scale_set=7)}
    await ledger.forget_runner("r1")
    await ledger.forget_runner("r1")
    assert await ledger.noted_runners("/orgs/acme") == {}


@contract
async def what_is_fresh_is_not_pruned(ledger: ScaleSetLedger) -> None:
    await ledger.observe("s", [offered()])
    assert await ledger.prune(keep_days=1) == 0
    assert list(await ledger.available("s", limit=9)) == [1]


@contract.parametrize()
def test_simulated(case: Case) -> None:
    async def main() -> None:
        await case(MemoryScaleSets(simulated_now))

    trio.run(main, clock=MockClock(autojump_threshold=0))


def run_postgres(case: Callable[[PostgresScaleSets], Awaitable[None]], url: str) -> None:
    async def main(bridge: Bridge) -> None:
        ledger = PostgresScaleSets(bridge, url, connections=8)
        await ledger.open()
        try:
            with trio.fail_after(60):
                await case(ledger)
        finally:
            await ledger.close()

    run_guest(main)


@pytest.mark.real
@contract.parametrize()
def test_postgres(case: Case, fresh_database: str) -> None:
    run_postgres(case, fresh_database)


@pytest.mark.real
def test_many_at_once_decide_as_one(fresh_database: str) -> None:
    def steps(number: int) -> list[ScaleSetJob]:
        done = moved(RequestState.COMPLETED, "completed", number, conclusion="success")
        return [offered(number), moved(RequestState.ASSIGNED, "queued", number), done]

    async def case(ledger: PostgresScaleSets) -> None:
        told = [step for number in range(1, 21) for step in steps(number)]

        async def tell(start: int) -> None:
            order = told[start::7] + told[:start]
            for at in range(0, len(order), 5):
                await ledger.observe("s", order[at : at + 5])

        async with trio.open_nursery() as nursery:
            for start in range(7):
                nursery.start_soon(tell, start)
        assert list(await ledger.available("s", limit=99)) == []

    run_postgres(case, fresh_database)


@pytest.mark.real
def test_what_is_old_is_pruned(postgres_server: PostgresServer) -> None:
    name = postgres_server.create_database()

    async def case(ledger: PostgresScaleSets) -> None:
        await ledger.observe("s", [offered(1), offered(2)])
        postgres_server.execute(
            "UPDATE scale_set_jobs SET heard_at = now() - interval '8 days' WHERE request_id = 1",
            name,
        )
        assert await ledger.prune(keep_days=7) == 1
        assert list(await ledger.available("s", limit=9)) == [2]
        postgres_server.stop()
        with pytest.raises(LedgerUnavailable):
            await ledger.session("s")
        postgres_server.start()

    try:
        run_postgres(case, postgres_server.url(name))
    finally:
        postgres_server.drop_database(name)
