"""Runners: their lives, ghosts, scopes; what a job does to them and they to it."""

import pytest
import trio
from trio.testing import MockClock

from runnerhub.sim.github.faults import FaultPlan, RunnerFaults
from tests.unit.sim_github.sut import REPO, Sim, a_sim

DAY = 24 * 3600.0


async def test_an_idle_runner_can_be_deleted_and_a_busy_one_cannot(
    sim: Sim, autojump_clock: MockClock
) -> None:
    made = await sim.jit("r1")
    path = f"{REPO}/actions/runners/{made['runner']['id']}"
    runner = await sim.runner(made["encoded_jit_config"])
    await sim.order()
    await runner.message()
    assert await sim.refused("DELETE", path) == 422
    idle = await sim.jit("r2")
    await sim.call("DELETE", f"{REPO}/actions/runners/{idle['runner']['id']}")
    blob = {"encoded_jit_config": idle["encoded_jit_config"]}
    assert await sim.refused("POST", "/_sim/runner/register", blob) == 404


async def test_two_processes_cannot_be_one_runner(sim: Sim, autojump_clock: MockClock) -> None:
    made = await sim.jit("r1")
    await sim.runner(made["encoded_jit_config"])
    blob = {"encoded_jit_config": made["encoded_jit_config"]}
    assert await sim.refused("POST", "/_sim/runner/register", blob) == 409
    await trio.sleep(61)
    await sim.runner(made["encoded_jit_config"])


async def test_a_runner_that_never_connects_is_dropped_after_a_day(
    sim: Sim, autojump_clock: MockClock
) -> None:
    await sim.jit("r1")
    await trio.sleep(DAY - 1)
    assert await sim.runners() == ["r1"]
    await trio.sleep(2)
    assert await sim.runners() == []


async def test_a_waiting_runner_is_woken_by_a_job(sim: Sim, autojump_clock: MockClock) -> None:
    runner = await sim.runner((await sim.jit("r1"))["encoded_jit_config"])
    began = trio.current_time()

    async def later() -> None:
        await trio.sleep(7)
        await sim.order("gpu")
        await trio.sleep(7)
        await sim.order("self-hosted")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(later)
        assert await runner.message(wait=60) is not None
    assert trio.current_time() - began == pytest.approx(14)
    assert (await sim.call("GET", "/_sim/state"))["runners"]["busy"] == 1


async def test_a_poll_ends_empty_after_its_time(sim: Sim, autojump_clock: MockClock) -> None:
    runner = await sim.runner((await sim.jit("r1"))["encoded_jit_config"])
    assert await runner.message(wait=20) is None


async def test_asking_again_gives_the_same_job_not_another(
    sim: Sim, autojump_clock: MockClock
) -> None:
    runner = await sim.runner((await sim.jit("r1"))["encoded_jit_config"])
    await sim.order(count=2)
    first = await runner.message()
    assert await runner.message() == first


async def test_a_deregistered_runner_is_told_while_it_polls(
    sim: Sim, autojump_clock: MockClock
) -> None:
    made = await sim.jit("r1")
    runner = await sim.runner(made["encoded_jit_config"])
    async with trio.open_nursery() as nursery:

        async def delete() -> None:
            await trio.sleep(1)
            await sim.call("DELETE", f"{REPO}/actions/runners/{made['runner']['id']}")

        nursery.start_soon(delete)
        status = await sim.refused("GET", "/_sim/runner/message?wait=60", **runner.headers)
    assert status == 401


async def test_a_lost_runner_fails_its_job_after_ten_minutes(
    sim: Sim, autojump_clock: MockClock
) -> None:
    runner = await sim.runner((await sim.jit("r1"))["encoded_jit_config"])
    [job] = await sim.order()
    await runner.message()
    await trio.sleep(500)
    await runner.say(job, "heartbeat")
    await trio.sleep(590)
    assert (await sim.job(job))["status"] == "in_progress"
    await trio.sleep(20)
    assert (await sim.job(job))["conclusion"] == "failure"
    assert await sim.runners() == []


async def test_an_organisations_runner_takes_jobs_of_all_its_repositories(
    sim: Sim, autojump_clock: MockClock
) -> None:
    sim.state.places.add_repository("acme/api")
    sim.state.places.add_repository("other/api")
    made = await sim.jit("r1", path="/orgs/acme")
    runner = await sim.runner(made["encoded_jit_config"])
    await sim.order(repository="other/api")
    [job] = await sim.order(repository="acme/api")
    assert (await runner.message())["job_id"] == job


async def test_a_persistent_runner_registers_by_token_and_stays(
    sim: Sim, autojump_clock: MockClock
) -> None:
    token = (await sim.call("POST", f"{REPO}/actions/runners/registration-token"))["token"]
    body = {"url": "https://github.com/acme/web", "token": token, "name": "proxy"}
    made = await sim.call("POST", "/_sim/runner/register", body)
    headers = {"authorization": f"Bearer {made['session']}"}
    for _ in range(2):
        [job] = await sim.order("self-hosted", "linux")
        assert (await sim.call("GET", "/_sim/runner/message", **headers))["job_id"] == job
        done = {"conclusion": "success"}
        await sim.call("POST", f"/_sim/runner/jobs/{job}/finish", done, **headers)
    assert await sim.runners() == ["proxy"]
    await sim.call("DELETE", "/_sim/runner/session", **headers)
    listed = await sim.call("GET", f"{REPO}/actions/runners")
    assert listed["runners"][0]["status"] == "offline"


async def test_a_ghost_stays_registered_and_offline(autojump_clock: MockClock) -> None:
    async with a_sim(FaultPlan(runners=RunnerFaults(ghost=1.0))) as sim:
        runner = await sim.runner((await sim.jit("r1"))["encoded_jit_config"])
        [job] = await sim.order()
        await runner.message()
        await runner.finish(job)
        listed = await sim.call("GET", f"{REPO}/actions/runners")
        [ghost] = listed["runners"]
        assert (ghost["name"], ghost["status"], ghost["busy"]) == ("r1", "offline", False)


async def test_crosswise_gives_a_runner_any_job_that_fits(autojump_clock: MockClock) -> None:
    async with a_sim(FaultPlan(seed=3, runners=RunnerFaults(crosswise=1.0))) as sim:
        jobs = await sim.order(count=10)
        given = []
        for number in range(10):
            made = await sim.jit(f"r{number}")
            runner = await sim.runner(made["encoded_jit_config"])
            given.append((await runner.message())["job_id"])
        assert sorted(given) == jobs
        assert given != jobs
