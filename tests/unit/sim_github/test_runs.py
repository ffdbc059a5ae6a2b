"""Runs and jobs: cancelled, waiting at a gate, run again, never taken."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.unit.sim_github.sut import REPO, Runner, Sim

RUNS = f"{REPO}/actions/runs"


async def busy(sim: Sim) -> tuple[Runner, int, int]:
    runner = await sim.runner((await sim.jit("r1"))["encoded_jit_config"])
    [job] = await sim.order()
    await runner.message()
    return runner, job, (await sim.job(job))["run_id"]


async def test_each_run_keeps_the_text_that_its_workflow_file_had(
    sim: Sim, autojump_clock: MockClock
) -> None:
    texts = ["jobs: {build: {}}", "jobs: {build: {needs: []}}"]
    for text in texts:
        await sim.order(workflow={"name": "ci", "path": ".github/workflows/ci.yml", "text": text})
    runners = [await sim.runner((await sim.jit(n))["encoded_jit_config"]) for n in ("r1", "r2")]
    orders = [await runner.message() for runner in runners]
    assert [order["workflow"]["text"] for order in orders] == texts
    workflows = await sim.call("GET", f"{REPO}/actions/workflows")
    assert [each["path"] for each in workflows["workflows"]] == [".github/workflows/ci.yml"]


async def test_a_queued_job_is_cancelled_at_once(sim: Sim, autojump_clock: MockClock) -> None:
    [job] = await sim.order()
    run = (await sim.job(job))["run_id"]
    await sim.call("POST", f"{RUNS}/{run}/cancel")
    seen = await sim.job(job)
    assert (seen["status"], seen["conclusion"], seen["runner_name"]) == (
        "completed",
        "cancelled",
        None,
    )
    assert (await sim.call("GET", f"{RUNS}/{run}"))["conclusion"] == "cancelled"
    assert await sim.refused("POST", f"{RUNS}/{run}/cancel") == 409


async def test_a_running_job_is_cancelled_when_its_runner_has_ended_it(
    sim: Sim, autojump_clock: MockClock
) -> None:
    runner, job, run = await busy(sim)
    async with trio.open_nursery() as nursery:

        async def cancel() -> None:
            await trio.sleep(3)
            await sim.call("POST", f"{RUNS}/{run}/cancel")

        nursery.start_soon(cancel)
        assert (await runner.say(job, "heartbeat?wait=60"))["cancel"] is True
    assert (await sim.job(job))["status"] == "in_progress"
    await runner.finish(job, "cancelled")
    assert (await sim.job(job))["conclusion"] == "cancelled"


async def test_a_runner_that_does_not_end_a_cancelled_job_is_given_five_minutes(
    sim: Sim, autojump_clock: MockClock
) -> None:
    runner, job, run = await busy(sim)
    await sim.call("POST", f"{RUNS}/{run}/cancel")
    await trio.sleep(301)
    assert (await sim.job(job))["conclusion"] == "cancelled"
    path = f"/_sim/runner/jobs/{job}/heartbeat"
    assert await sim.refused("POST", path, **runner.headers) == 401


async def test_a_job_that_nobody_takes_fails_after_a_day(
    sim: Sim, autojump_clock: MockClock
) -> None:
    [job] = await sim.order()
    await trio.sleep(24 * 3600 - 1)
    assert (await sim.job(job))["status"] == "queued"
    await trio.sleep(2)
    assert (await sim.job(job))["conclusion"] == "failure"


async def test_a_gate_holds_a_job_back(sim: Sim, autojump_clock: MockClock) -> None:
    runner = await sim.runner((await sim.jit("r1"))["encoded_jit_config"])
    jobs = [
        {"name": "one", "labels": ["self-hosted"], "gate": "waiting"},
        {"name": "two", "labels": ["self-hosted"], "gate": "queued"},
    ]
    one, two = (await sim.call("POST", "/_sim/runs", {"repository": "acme/web", "jobs": jobs}))[
        "runs"
    ][0]["jobs"]
    await wait_all_tasks_blocked()
    assert [job["id"] for job in sim.hooked.jobs("waiting")] == [one]
    assert [(job["id"], job["status"]) for job in sim.hooked.jobs("queued")] == [(two, "waiting")]
    assert await runner.message(wait=5) is None
    await sim.call("POST", f"/_sim/jobs/{two}/approve")
    assert (await runner.message())["job_id"] == two


async def test_a_run_is_over_with_its_last_job_and_failed_by_one(
    sim: Sim, autojump_clock: MockClock
) -> None:
    jobs = [{"name": name, "labels": ["self-hosted"]} for name in ("a", "b")]
    numbers = await sim.order(jobs=jobs)
    for number, conclusion in zip(numbers, ("failure", "success"), strict=True):
        runner = await sim.runner((await sim.jit(f"r{number}"))["encoded_jit_config"])
        await runner.message()
        run = await sim.call("GET", f"{RUNS}/{(await sim.job(number))['run_id']}")
        assert (run["status"], run["conclusion"]) == ("in_progress", None)
        await runner.finish(number, conclusion)
    run = await sim.call("GET", f"{RUNS}/{run['id']}")
    assert (run["status"], run["conclusion"]) == ("completed", "failure")


async def test_failed_jobs_run_again_as_new_jobs_of_a_new_attempt(
    sim: Sim, autojump_clock: MockClock
) -> None:
    runner, job, run = await busy(sim)
    await runner.finish(job, "failure")
    await sim.call("POST", f"{RUNS}/{run}/rerun-failed-jobs")
    listed = await sim.call("GET", f"{RUNS}/{run}/jobs")
    [again] = listed["jobs"]
    assert again["id"] != job
    assert (again["run_attempt"], again["status"]) == (2, "queued")
    every = await sim.call("GET", f"{RUNS}/{run}/jobs?filter=all")
    assert every["total_count"] == 2


async def test_the_clock_can_leap(sim: Sim, autojump_clock: MockClock) -> None:
    [job] = await sim.order()
    await sim.call("POST", "/_sim/clock", {"advance_seconds": 24 * 3600 + 1})
    assert (await sim.job(job))["conclusion"] == "failure"
