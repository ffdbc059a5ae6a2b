"""What becomes of a job, for every way in which it can end."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from runnerhub.model.job import Conclusion, Execution, Reason, Resources
from runnerhub.ports.errors import EngineUnavailable
from tests.simulation.cluster import Cluster, spec


async def outcome(cluster: Cluster, **wanted: Any) -> tuple[Any, ...]:
    async with cluster.life() as life:
        accepted = await life.hub.delegate(spec(**wanted))
        (job,) = await cluster.finished(life, accepted.job.id)
    assert cluster.leftovers() == {}
    return job.conclusion, job.reason, job.exit_code


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, (Conclusion.SUCCESS, Reason.COMPLETED, 0)),
        ({"script": "exit 3"}, (Conclusion.FAILURE, Reason.EXIT_CODE, 3)),
        ({"script": "exit 137"}, (Conclusion.FAILURE, Reason.EXIT_CODE, 137)),
        (
            {"script": "sleep 50", "timeout_seconds": 5},
            (Conclusion.TIMED_OUT, Reason.TIMEOUT, None),
        ),
        (
            {"script": "echo No space left on device; exit 1"},
            (Conclusion.FAILURE, Reason.DISK_FULL, 1),
        ),
        ({"image": "no/such:1"}, (Conclusion.FAILURE, Reason.IMAGE_UNAVAILABLE, None)),
        (
            {"execution": Execution("busybox:1", ("no-such-command",))},
            (Conclusion.FAILURE, Reason.EXIT_CODE, 127),
        ),
        (
            {"execution": Execution("busybox:1", ("oom",), resources=Resources(memory_mb=16))},
            (Conclusion.FAILURE, Reason.OUT_OF_MEMORY, 137),
        ),
    ],
)
async def test_every_ending(
    wanted: dict[str, Any], expected: tuple[Any, ...], autojump_clock: MockClock
) -> None:
    assert await outcome(Cluster(), **wanted) == expected


async def test_the_log_is_whole_when_the_job_is_completed(autojump_clock: MockClock) -> None:
    cluster = Cluster()
    async with cluster.life() as life:
        accepted = await life.hub.delegate(spec(script="echo a; sleep 1; echo b"))
        (job,) = await cluster.finished(life, accepted.job.id)
        log = b"".join([part async for part in life.hub.follow_log(job, follow=True)])
    assert log == b"a\nb\n"


async def test_cancel_while_running_reaps(autojump_clock: MockClock) -> None:
    cluster = Cluster()
    async with cluster.life() as life:
        accepted = await life.hub.delegate(spec(script="sleep 500"))
        while (await cluster.job(accepted.job.id)).phase != "running":
            await trio.sleep(0.05)
        await life.hub.cancel(accepted.job.id)
        (job,) = await cluster.finished(life, accepted.job.id, within=10)
    assert job.conclusion is Conclusion.CANCELLED
    assert cluster.leftovers() == {}


async def test_cancel_while_queued_creates_nothing(autojump_clock: MockClock) -> None:
    cluster = Cluster()
    async with cluster.life() as life:
        accepted = await life.hub.delegate(spec(labels=("gpu",)))
        assert "lacks the label gpu" in life.hub.explain(accepted.job)
        await life.hub.cancel(accepted.job.id)
        (job,) = await cluster.finished(life, accepted.job.id, within=5)
    assert job.conclusion is Conclusion.CANCELLED


async def test_an_engine_restart_is_a_new_attempt(autojump_clock: MockClock) -> None:
    cluster = Cluster()
    async with cluster.life() as life:
        accepted = await life.hub.delegate(spec(script="sleep 20"))
        await trio.sleep(5)
        cluster.engines["h1"].crash(down_seconds=3)
        (job,) = await cluster.finished(life, accepted.job.id)
    assert (job.conclusion, job.attempt) == (Conclusion.SUCCESS, 2)
    assert cluster.leftovers() == {}


async def test_restarts_without_end_become_a_dead_letter(autojump_clock: MockClock) -> None:
    cluster = Cluster(max_attempts=3)
    async with cluster.life() as life:
        accepted = await life.hub.delegate(spec(script="sleep 50"))
        for attempt in (1, 2, 3):
            while True:
                job = await cluster.job(accepted.job.id)
                if job.phase == "running" and job.attempt == attempt:
                    break
                await trio.sleep(0.1)
            await trio.sleep(1)
            cluster.engines["h1"].crash(down_seconds=2)
        (job,) = await cluster.finished(life, accepted.job.id)
        assert (job.conclusion, job.reason) == (Conclusion.FAILURE, Reason.ENGINE_RESTART)
        assert job.dead_letter
        again = await life.hub.requeue(job.id)
        assert again is not None
        assert again.job.retry_of == job.id
        assert again.job.id != job.id
        await cluster.finished(life, again.job.id)


async def test_a_lost_host_gives_its_jobs_to_another(autojump_clock: MockClock) -> None:
    cluster = Cluster(hosts=2, slots=1, host_lost_after=30.0)
    async with cluster.life() as life:
        accepted = await life.hub.delegate(spec(script="sleep 100"))
        await trio.sleep(5)
        first = (await cluster.job(accepted.job.id)).host
        assert first is not None
        cluster.engines[first].go_away(200)
        (job,) = await cluster.finished(life, accepted.job.id)
        assert (job.conclusion, job.attempt) == (Conclusion.SUCCESS, 2)
        assert job.host != first
        await trio.sleep(200)
    assert cluster.leftovers() == {}


async def test_a_create_that_lands_late_is_caught(autojump_clock: MockClock) -> None:
    cluster = Cluster(sweep_every=20.0)
    async with cluster.life() as life:
        cluster.engines["h1"].delay_next_create(40)
        accepted = await life.hub.delegate(spec(script="sleep 500"))
        await trio.sleep(2)
        await life.hub.cancel(accepted.job.id)
        await cluster.finished(life, accepted.job.id, within=60)
        await trio.sleep(90)
    assert cluster.leftovers() == {}


async def test_a_lost_answer_to_create_is_no_failure(autojump_clock: MockClock) -> None:
    cluster = Cluster()
    lost = EngineUnavailable("the answer was lost")
    for method in ("create_network", "create_container", "start_container"):
        cluster.engines["h1"].fail_next(method, lost, after=True)
    assert (await outcome(cluster))[0] is Conclusion.SUCCESS


async def test_a_lost_queue_loses_nothing(autojump_clock: MockClock) -> None:
    cluster = Cluster(slots=50)
    async with cluster.life() as life:
        await life.hub.set_drained("h1", drained=True)
        ids = [(await life.hub.delegate(spec(n, "exit 0"))).job.id for n in range(1000)]
        cluster.queue.flush()
        await life.hub.set_drained("h1", drained=False)
        jobs = await cluster.finished(life, *ids)
    assert {job.conclusion for job in jobs} == {Conclusion.SUCCESS}
    assert cluster.leftovers() == {}


async def test_a_lost_queue_is_seen_at_once(autojump_clock: MockClock) -> None:
    cluster = Cluster(slots=10, reconcile_every=1e6)
    async with cluster.life() as life:
        ids = [(await life.hub.delegate(spec(n, "sleep 3"))).job.id for n in range(100)]
        for _ in range(3):
            await trio.sleep(5)
            cluster.queue.flush()
        await cluster.finished(life, *ids, within=60)
    assert cluster.leftovers() == {}


async def test_an_outage_of_the_ledger_is_waited_out(autojump_clock: MockClock) -> None:
    cluster = Cluster(slots=8)
    async with cluster.life() as life:
        ids = [(await life.hub.delegate(spec(n, "sleep 15"))).job.id for n in range(16)]
        await trio.sleep(3)
        cluster.ledger.outage = True
        await trio.sleep(20)
        cluster.ledger.outage = False
        jobs = await cluster.finished(life, *ids)
    assert {job.conclusion for job in jobs} == {Conclusion.SUCCESS}
    assert {job.attempt for job in jobs} == {1}
    assert cluster.leftovers() == {}


async def test_an_orderly_engine_stop_is_no_failure_either(autojump_clock: MockClock) -> None:
    cluster = Cluster()
    async with cluster.life() as life:
        accepted = await life.hub.delegate(spec(script="sleep 20"))
        await trio.sleep(5)
        await cluster.engines["h1"].shut_down(down_seconds=3)
        (job,) = await cluster.finished(life, accepted.job.id)
    assert (job.conclusion, job.attempt) == (Conclusion.SUCCESS, 2)
    assert cluster.leftovers() == {}


async def test_an_image_that_somebody_removed_is_pulled_again(autojump_clock: object) -> None:
    cluster = Cluster()
    engine = cluster.engines["h1"]
    async with cluster.life() as life:
        for number in (1, 2):
            accepted = await life.hub.delegate(spec(number))
            (job,) = await cluster.finished(life, accepted.job.id)
            assert job.conclusion is Conclusion.SUCCESS
            engine.images.clear()
    assert cluster.leftovers() == {}


async def test_the_first_line_is_there_at_once_and_later_ones_together(
    autojump_clock: object,
) -> None:
    cluster = Cluster()
    async with cluster.life() as life:
        script = "echo first; sleep 0.05; " + "echo more; sleep 0.01; " * 10 + "sleep 60"
        accepted = await life.hub.delegate(spec(script=script))
        with trio.fail_after(10):
            while not (chunks := await cluster.ledger.log_chunks(accepted.job.id, 1)):
                await trio.sleep(0.001)
        started = (await cluster.job(accepted.job.id)).timestamps["started"]
        assert (chunks[0].at - started).total_seconds() < 0.03  # type: ignore[operator]
        await trio.sleep(1)
        later = (await cluster.ledger.log_chunks(accepted.job.id, 1))[1:]
        assert [chunk.data for chunk in later] == [b"more\n" * 10]
