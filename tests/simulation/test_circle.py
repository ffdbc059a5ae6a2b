"""From a workflow job that GitHub queues to nothing left, whatever goes wrong in between."""

import pytest
import trio
from trio.testing import MockClock

from runnerhub.sim.github.faults import FaultPlan, RestFaults, RunnerFaults, WebhookFaults
from runnerhub.sim.runner.inprocess import Mood
from tests.simulation.circle import Circle, circle
from tests.simulation.ring import CANCELLED, JOBS, SEEDS, until


def all_is_well(at: Circle) -> None:
    assert at.are_completed_once()
    assert at.runners() == []
    assert at.cluster.leftovers() == {}


async def test_a_job_runs_in_a_runner_of_its_own(autojump_clock: MockClock) -> None:
    async with circle() as at:
        async with at.life():
            await trio.sleep(5)
            began = trio.current_time()
            at.order()
            while not at.runners():
                await trio.sleep(0.05)
            assert trio.current_time() - began < 1.0
            await at.until_completed()
        (job,) = at.jobs()
        assert job.conclusion in {"success", "failure"}
        all_is_well(at)


async def test_a_job_of_other_labels_is_nobodys(autojump_clock: MockClock) -> None:
    async with circle() as at, at.life():
        at.at.order("self-hosted", "windows")
        await trio.sleep(60)
        assert at.runners() == []


async def test_a_job_behind_a_gate_starts_nothing(autojump_clock: MockClock) -> None:
    async with circle() as at, at.life():
        gated = {"name": "deploy", "labels": ["self-hosted", "linux"], "gate": "queued"}
        (job,) = at.at.order(jobs=[gated])
        await trio.sleep(60)
        assert at.runners() == []
        assert at.github.state.work.jobs[job].status == "waiting"


async def test_a_runner_that_nobody_needs_any_more_goes(autojump_clock: MockClock) -> None:
    async with circle() as at:
        async with at.life():
            job = at.order()
            while not at.runners():
                await trio.sleep(0.05)
            at.cancel(job)
            await at.until_completed(within=300)
        all_is_well(at)


async def test_short_jobs_that_are_told_of_late_get_one_runner_each(
    autojump_clock: MockClock,
) -> None:
    late = FaultPlan(seed=5, webhooks=WebhookFaults(reordered=1.0, delay_seconds=5))
    async with circle(late) as at:
        async with at.life():
            for _ in range(40):
                at.order("build 1s")
                await trio.sleep(0.1)
            await at.until_completed()
        assert await at.runners_started() == 40
        all_is_well(at)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_goes_wrong_every_job_ends_and_nothing_is_left(
    autojump_clock: MockClock, seed: int
) -> None:
    plan = FaultPlan(
        seed=seed,
        rest=RestFaults(error=0.01, lost=0.01),
        webhooks=WebhookFaults(dropped=0.10, doubled=0.05, reordered=1.0, delay_seconds=20),
        runners=RunnerFaults(crosswise=1.0, ghost=0.02),
    )
    async with circle(plan, seed=seed) as at:
        async with at.life():
            ends = ["", "", "", "", "fail", "linger", "hang"]
            names = [f"build {at.rng.randint(1, 40)}s {at.rng.choice(ends)}" for _ in range(JOBS)]
            jobs = [at.order(name) for name in names]
            endless = [job for job, name in zip(jobs, names, strict=True) if "hang" in name]
            for job in [*at.rng.sample(jobs, CANCELLED), *endless]:
                await trio.sleep(at.rng.uniform(0, 4))
                at.cancel(job)
            await at.until_completed(within=3 * 3600)
            await trio.sleep(120)
        all_is_well(at)
        assert {"webhook.dropped", "webhook.doubled", "crosswise"} <= at.struck()
        assert at.struck() & {"error", "lost"}
        assert await at.runners_started() <= 1.5 * JOBS


async def test_a_node_that_is_killed_loses_nothing(autojump_clock: MockClock) -> None:
    async with circle(seed=3) as at:
        jobs = 20
        async with at.life("node-1") as life:
            for number in range(jobs):
                at.order(f"build {number}s")
            await trio.sleep(4)
            life.kill()
        async with at.life("node-1"):
            await at.until_completed()
        all_is_well(at)


@pytest.mark.parametrize("first", [Mood.ABSENT, Mood.IDLE, Mood.DEAD])
async def test_a_runner_that_takes_no_job_makes_room_for_another(
    autojump_clock: MockClock, first: Mood
) -> None:
    names: list[str] = []

    def mood(name: str) -> Mood:
        if name not in names:
            names.append(name)
        return first if name == names[0] else Mood.WELL

    async with circle(mood=mood) as at:
        async with at.life():
            at.order()
            await at.until_completed(within=1800)
        assert len(names) > 1
        (job,) = at.jobs()
        assert job.conclusion == "success"
        all_is_well(at)


async def test_a_runner_that_outlives_its_job_goes(autojump_clock: MockClock) -> None:
    async with circle() as at:
        async with at.life():
            at.order("build linger")
            await at.until_completed(within=600)
        all_is_well(at)


@pytest.mark.parametrize("ending", ["crash", "silent"])
async def test_a_job_whose_runner_says_no_more_is_failed_by_github_and_nothing_is_left(
    autojump_clock: MockClock, ending: str
) -> None:
    async with circle() as at:
        async with at.life():
            at.order(f"build 5s {ending}")
            await at.until_completed(within=900)
        (job,) = at.jobs()
        assert job.conclusion == "failure"
        all_is_well(at)


async def test_a_cancelled_job_whose_runner_heeds_nothing_leaves_nothing(
    autojump_clock: MockClock,
) -> None:
    async with circle() as at:
        async with at.life():
            job = at.order("build stubborn")
            await until(lambda: at.jobs()[0].status == "in_progress")
            at.cancel(job)
            await at.until_completed(within=600)
        assert at.jobs()[0].conclusion == "cancelled"
        all_is_well(at)


async def test_runners_of_others_are_never_touched(autojump_clock: MockClock) -> None:
    async with circle() as at:
        fleet = at.github.state.fleet
        scope = at.github.state.places.scope("repo", "acme/web")
        names = ["theirs", "rh-0123456789ab-0123456789ab"]
        for name in names:
            fleet.add(scope, name, ["self-hosted", "linux"])
        async with at.life():
            job = at.order()
            await until(lambda: at.github.state.work.jobs[job].status == "completed")
            await trio.sleep(900)
        assert at.runners() == names
        assert at.jobs()[0].runner_name not in names
        assert at.cluster.leftovers() == {}
