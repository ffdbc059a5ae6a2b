"""A job that is to become a runner: registered before its sandbox, deregistered with it."""

from typing import Any

import pytest
import trio

from runnerhub.model.job import Conclusion, Execution, Phase, Reason
from runnerhub.model.pool import Pool
from runnerhub.model.runner import RunnerWish, runner_name
from runnerhub.sim.runners import MemoryRunners
from tests.simulation.cluster import IMAGE, Cluster, Life, spec

WISH = RunnerWish("/repos/acme/web", ("linux",))
WARM = Pool("fast", frozenset({"linux"}), image=IMAGE, warm=1)


def jit(script: str = "echo ran; sleep 5") -> Execution:
    return Execution(IMAGE, ("sh", "-c", script), runner=WISH)


def with_runners(**more: Any) -> tuple[Cluster, MemoryRunners]:
    runners = MemoryRunners()
    return Cluster(runners=runners, **more), runners


async def start(life: Life, **more: Any) -> str:
    job = spec(labels=("linux",), execution=jit(**more))
    return (await life.hub.delegate(job)).job.id


async def until_running(cluster: Cluster, job_id: str) -> str:
    """Wait until a job runs; return its runner's name."""
    with trio.fail_after(60):
        while (job := await cluster.job(job_id)).phase is not Phase.RUNNING:
            await trio.sleep(0.01)
    return runner_name(await cluster.ledger.cluster_id(), job.sandbox_id or "")


@pytest.mark.parametrize("pools", [(), (WARM,)])
async def test_a_runner_is_registered_for_as_long_as_it_runs(
    autojump_clock: object, pools: tuple[Pool, ...]
) -> None:
    cluster, runners = with_runners(pools=pools)
    async with cluster.life() as life:
        await trio.sleep(1)
        job_id = await start(life)
        name = await until_running(cluster, job_id)
        assert set(runners.registered) == {name}
        (job,) = await cluster.finished(life, job_id)
        assert job.conclusion is Conclusion.SUCCESS
        assert runners.registered == {}
    assert not cluster.leftovers()


async def test_the_blob_is_a_variable_and_stands_nowhere_else(
    autojump_clock: object, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster, _ = with_runners()
    async with cluster.life() as life:
        job_id = await start(life)
        name = await until_running(cluster, job_id)
        (container,) = cluster.engines["h1"].world.containers.values()
        assert container.spec.env["ACTIONS_RUNNER_INPUT_JITCONFIG"] == f"blob-of-{name}"
        assert "blob-of" not in repr(container.spec.command)
        await cluster.finished(life, job_id)
        events = await cluster.ledger.events(job_id)
        chunks = await cluster.ledger.log_chunks(job_id, 1)
    assert "blob-of" not in repr((events, chunks, await cluster.job(job_id)))
    assert "blob-of" not in capsys.readouterr().out


async def test_a_cancelled_runner_is_deregistered(autojump_clock: object) -> None:
    cluster, runners = with_runners()
    async with cluster.life() as life:
        job_id = await start(life, script="sleep 900")
        await until_running(cluster, job_id)
        await life.hub.cancel(job_id)
        (job,) = await cluster.finished(life, job_id)
        assert job.conclusion is Conclusion.CANCELLED
        assert runners.registered == {}


@pytest.mark.parametrize("wait", [0.0, 0.001, 0.2])
async def test_a_killed_node_leaves_no_second_runner(autojump_clock: object, wait: float) -> None:
    cluster, runners = with_runners()
    cluster.engines["h1"].delay_next_create(0.1)
    async with cluster.life() as life:
        job_id = await start(life)
        with trio.fail_after(60):
            while not runners.registered:
                await trio.sleep(0.001)
        await trio.sleep(wait)
        life.kill()
    async with cluster.life() as life:
        (job,) = await cluster.finished(life, job_id)
        assert job.conclusion is Conclusion.SUCCESS
        assert runners.registered == {}
    assert not cluster.leftovers()


async def test_a_refused_registration_says_why(autojump_clock: object) -> None:
    cluster, runners = with_runners()
    runners.refusal = "GitHub answers 403: Resource not accessible by integration"
    async with cluster.life() as life:
        (job,) = await cluster.finished(life, await start(life))
        assert (job.conclusion, job.reason) == (Conclusion.FAILURE, Reason.RUNNER_REFUSED)
        assert "403" in (job.explanation or "")
    assert not cluster.leftovers()


async def test_while_github_is_away_there_are_more_attempts(autojump_clock: object) -> None:
    cluster, runners = with_runners()
    runners.outage = True
    async with cluster.life() as life:
        job_id = await start(life)
        await trio.sleep(1.5)
        runners.outage = False
        (job,) = await cluster.finished(life, job_id)
        assert job.conclusion is Conclusion.SUCCESS
        assert job.attempt > 1
        assert runners.registered == {}


async def test_without_github_it_fails_in_words(autojump_clock: object) -> None:
    cluster = Cluster()
    async with cluster.life() as life:
        accepted = await life.hub.delegate(spec(execution=jit()))
        (job,) = await cluster.finished(life, accepted.job.id)
        assert job.reason is Reason.RUNNER_REFUSED
        assert "GitHub is not configured" in (job.explanation or "")
