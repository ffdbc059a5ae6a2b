"""What is prepared ahead serves one job each, is never taken for an orphan, and is never left."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from runnerhub.actors.preparer import YIELD_SECONDS
from runnerhub.actors.shelf import Shelf
from runnerhub.model.job import Conclusion, Execution, Network, Phase, Reason, Resources
from runnerhub.model.pool import Pool
from runnerhub.model.sandbox import LABEL_ROLE
from runnerhub.ports.errors import EngineUnavailable
from tests.simulation.cluster import IMAGE, Cluster, Life, spec

WARM = Pool("fast", frozenset({"linux"}), image=IMAGE, warm=2)


@asynccontextmanager
async def ready(cluster: Cluster, count: int = 2) -> AsyncIterator[tuple[Life, Shelf]]:
    """A life whose first host has this many kits ready."""
    async with cluster.life() as life:
        shelf = life.world.hosts["h1"].shelf
        await until(lambda: sum(kit.ready and not kit.taken for kit in shelf) == count)
        yield life, shelf


async def until(condition: Any, within: float = 60.0) -> None:
    with trio.fail_after(within):
        while not condition():
            await trio.sleep(0.01)


async def delegate(life: Life, **more: Any) -> str:
    return (await life.hub.delegate(spec(labels=("linux",), **more))).job.id


def roles(cluster: Cluster) -> list[str]:
    world = cluster.engines["h1"].world
    return sorted(c.spec.labels.get(LABEL_ROLE, "") for c in world.containers.values())


async def log_of(cluster: Cluster, job_id: str, attempt: int = 1) -> bytes:
    chunks = await cluster.ledger.log_chunks(job_id, attempt)
    return b"".join(chunk.data for chunk in chunks)


async def test_a_job_is_handed_to_a_warm_sandbox(autojump_clock: object) -> None:
    cluster = Cluster(pools=(WARM,))
    async with ready(cluster) as (life, shelf):
        waiting = shelf.ids
        job_id = await delegate(life, script="echo warm; exit 3")
        (job,) = await cluster.finished(life, job_id)
        events = await cluster.ledger.events(job_id)
        named = next(e for e in events if e.kind == "leased").data
        assert (job.conclusion, job.exit_code) == (Conclusion.FAILURE, 3)
        assert await log_of(cluster, job_id) == b"warm\n"
        assert len(waiting & {str(value) for value in named.values()}) == 1
        assert {"image_ready", "created", "started", "exited"} <= set(job.timestamps)
        await until(lambda: sum(kit.ready for kit in shelf) == 2)
        assert shelf.ids != waiting, "a kit serves one job"
    assert not cluster.leftovers()


async def test_the_log_is_followed_before_the_hand_over(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, done = Cluster(pools=(WARM,)), []
    engine, ledger = cluster.engines["h1"], cluster.ledger
    logs, advance = engine.logs, ledger.advance

    def follow(name: str, since: str = "") -> Any:
        done.append("follow")
        return logs(name, since)

    async def tell(*arguments: Any, **more: Any) -> Any:
        await trio.testing.wait_all_tasks_blocked()
        done.append("tell")  # that it runs; only then the job is handed over
        return await advance(*arguments, **more)

    monkeypatch.setattr(engine, "logs", follow)
    monkeypatch.setattr(ledger, "advance", tell)
    async with ready(cluster) as (life, _):
        await cluster.finished(life, await delegate(life, script="echo at once"))
    assert done == ["follow", "tell"]


async def test_more_jobs_than_kits_go_cold(autojump_clock: object) -> None:
    cluster = Cluster(pools=(WARM,), slots=8)
    async with ready(cluster) as (life, _):
        ids = [(await life.hub.delegate(spec(n, labels=("linux",)))).job.id for n in range(8)]
        jobs = await cluster.finished(life, *ids)
        assert {job.conclusion for job in jobs} == {Conclusion.SUCCESS}
    assert not cluster.leftovers()


@pytest.mark.parametrize(
    "execution",
    [
        Execution("other:1", ("echo", "hello")),
        Execution(IMAGE, ("echo", "hello"), network=Network.NONE),
        Execution(IMAGE, ("echo", "hello"), resources=Resources(tmpfs_mb=5)),
        Execution(IMAGE, ("echo", "hello"), {"not.exportable": "1"}),
    ],
)
async def test_what_does_not_fit_goes_cold(autojump_clock: object, execution: Execution) -> None:
    cluster = Cluster(pools=(WARM,))
    cluster.engines["h1"].images.add("other:1")
    async with ready(cluster) as (life, shelf):
        waiting = shelf.ids
        (job,) = await cluster.finished(life, await delegate(life, execution=execution))
        assert job.conclusion is Conclusion.SUCCESS
        assert shelf.ids == waiting
    assert not cluster.leftovers()


async def test_limits_are_set_before_the_hand_over(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, phases = Cluster(pools=(WARM,)), []
    engine = cluster.engines["h1"]
    limit = engine.limit_container

    async def note(name: str, **limits: Any) -> None:
        phases.append(((await cluster.job(job_id)).phase, limits))
        await limit(name, **limits)

    monkeypatch.setattr(engine, "limit_container", note)
    async with ready(cluster) as (life, _):
        limits = Resources(cpus=0.5, memory_mb=64)
        asked = Execution(IMAGE, ("sh", "-c", "sleep 9"), resources=limits)
        job_id = await delegate(life, execution=asked)
        await cluster.finished(life, job_id)
    assert phases == [(Phase.LEASED, {"cpus": 0.5, "memory_mb": 64, "pids": None})]


async def test_a_job_joins_a_network_that_was_prepared(autojump_clock: object) -> None:
    cluster = Cluster(holders=2)
    async with ready(cluster) as (life, shelf):
        job_id = await delegate(life, script="sleep 5")
        while (await cluster.job(job_id)).phase is not Phase.RUNNING:
            await trio.sleep(0.01)
        (taken,) = [kit for kit in shelf if kit.taken]
        main = cluster.engines["h1"].world.find(f"rh-{taken.sandbox_id}")
        assert main is not None
        assert main.spec.joins == f"rh-{taken.sandbox_id}-_holder"
        (job,) = await cluster.finished(life, job_id)
        assert job.conclusion is Conclusion.SUCCESS
        await until(lambda: roles(cluster) == ["holder", "holder"])
    assert not cluster.leftovers()


async def test_networks_are_prepared_while_no_job_is_in_a_hurry(autojump_clock: object) -> None:
    cluster = Cluster(holders=2)
    async with ready(cluster) as (_, shelf):
        with shelf.hurry():
            shelf.drop(next(iter(shelf)).sandbox_id)
            await trio.sleep(YIELD_SECONDS - 1)
            assert sum(kit.ready for kit in shelf) == 1
        await until(lambda: sum(kit.ready for kit in shelf) == 2, within=1.0)
        with shelf.hurry():
            shelf.drop(next(iter(shelf)).sandbox_id)
            await until(lambda: sum(kit.ready for kit in shelf) == 2, within=YIELD_SECONDS + 2)
    assert not cluster.leftovers()


async def test_a_stop_does_not_wait_for_what_yields(autojump_clock: object) -> None:
    cluster = Cluster(holders=2)
    async with ready(cluster) as (_, shelf):
        hurry = shelf.hurry()
        hurry.__enter__()
        shelf.drop(next(iter(shelf)).sandbox_id)
        await trio.sleep(1)
        stopped_at = trio.current_time()
    assert trio.current_time() - stopped_at < 1.0
    hurry.__exit__(None, None, None)
    assert not cluster.leftovers()


@pytest.mark.parametrize("kind", [{"pools": (WARM,)}, {"holders": 2}])
async def test_kits_are_no_orphans(autojump_clock: object, kind: dict[str, Any]) -> None:
    cluster = Cluster(**kind, sweep_every=1.0)
    async with ready(cluster) as (_, shelf):
        before = shelf.ids
        await trio.sleep(30)
        assert shelf.ids == before
        assert len(roles(cluster)) == 2
    assert not cluster.leftovers()


@pytest.mark.parametrize("kind", [{"pools": (WARM,)}, {"holders": 2}])
async def test_after_a_gap_kits_are_made_anew(autojump_clock: object, kind: dict[str, Any]) -> None:
    cluster = Cluster(**kind)
    async with ready(cluster) as (life, shelf):
        before = shelf.ids
        cluster.engines["h1"].crash(down_seconds=2.0)
        await until(lambda: not shelf.ids & before and sum(kit.ready for kit in shelf) == 2)
        (job,) = await cluster.finished(life, await delegate(life))
        assert job.conclusion is Conclusion.SUCCESS
    assert not cluster.leftovers()


@pytest.mark.parametrize("kind", [{"pools": (WARM,)}, {"holders": 2}])
async def test_a_kit_that_dies_is_replaced(autojump_clock: object, kind: dict[str, Any]) -> None:
    cluster = Cluster(**kind)
    async with ready(cluster) as (_, shelf):
        before = shelf.ids
        world = cluster.engines["h1"].world
        world.kill(next(iter(world.containers.values())))
        world.settle()
        await until(lambda: len(shelf.ids & before) == 1 and sum(k.ready for k in shelf) == 2)
    assert not cluster.leftovers()


async def test_a_crash_before_the_hand_over_is_another_attempt(autojump_clock: object) -> None:
    cluster = Cluster(pools=(WARM,))
    async with ready(cluster) as (life, _):
        cluster.engines["h1"].fail_next("open_stdin", EngineUnavailable("cut"), times=9)
        killed: list[str] = []
        advance = cluster.ledger.advance

        async def kill_once(job_id: str, *arguments: Any, **more: Any) -> Any:
            answer = await advance(job_id, *arguments, **more)
            if not killed:
                killed.append(job_id)
                life.kill()  # the ledger says RUNNING, and no byte was sent
            await trio.lowlevel.checkpoint()
            return answer

        cluster.ledger.advance = kill_once  # type: ignore[method-assign]
        job_id = await delegate(life)
        await until(lambda: killed)
    cluster.engines["h1"].fail_next("open_stdin", EngineUnavailable("cut"), times=0)
    async with cluster.life() as life:
        (job,) = await cluster.finished(life, job_id)
        assert (job.conclusion, job.attempt) == (Conclusion.SUCCESS, 2)
        assert await log_of(cluster, job_id, 2) == b"hello\n"
        events = await cluster.ledger.events(job_id)
        assert [e.data["reason"] for e in events if e.kind == "given_back"] == ["sandbox_lost"]
    assert not cluster.leftovers()


async def test_a_job_that_was_handed_over_is_adopted(autojump_clock: object) -> None:
    cluster = Cluster(pools=(WARM,))
    async with ready(cluster) as (life, _):
        job_id = await delegate(life, script="echo one; sleep 20; echo two")
        while (await cluster.job(job_id)).phase is not Phase.RUNNING:
            await trio.sleep(0.01)
        await trio.sleep(3)
        life.kill()
    async with cluster.life() as life:
        (job,) = await cluster.finished(life, job_id)
        assert (job.conclusion, job.attempt) == (Conclusion.SUCCESS, 1)
        assert await log_of(cluster, job_id) == b"one\ntwo\n"
    assert not cluster.leftovers()


async def test_an_image_that_cannot_be_warm_is_said_and_its_jobs_go_cold(
    autojump_clock: object,
) -> None:
    pool = replace(WARM, image="none:1")
    cluster = Cluster(pools=(pool,))
    async with cluster.life() as life:
        host = life.world.hosts["h1"]
        await until(lambda: host.troubles)
        (status,) = life.hub.hosts()
        assert any("warm:fast cannot be prepared" in words for words in status.warnings)
        (job,) = await cluster.finished(life, await delegate(life))
        assert job.conclusion is Conclusion.SUCCESS
    assert not cluster.leftovers()


async def test_a_cancelled_warm_job_leaves_nothing(autojump_clock: object) -> None:
    cluster = Cluster(pools=(WARM,))
    async with ready(cluster) as (life, _):
        job_id = await delegate(life, script="sleep 100")
        await trio.sleep(0.5)
        await life.hub.cancel(job_id)
        (job,) = await cluster.finished(life, job_id)
        assert (job.conclusion, job.reason) == (Conclusion.CANCELLED, Reason.CANCELLED_BY_USER)
    assert not cluster.leftovers()


async def test_an_engine_that_fails_before_the_hand_over_is_another_attempt(
    autojump_clock: object,
) -> None:
    cluster = Cluster(pools=(WARM,))
    async with ready(cluster) as (life, _):
        cluster.engines["h1"].fail_next("limit_container", EngineUnavailable("cut"))
        asked = Execution(IMAGE, ("echo", "hello"), resources=Resources(memory_mb=64))
        job_id = await delegate(life, execution=asked)
        (job,) = await cluster.finished(life, job_id)
        assert (job.conclusion, job.attempt) == (Conclusion.SUCCESS, 2)
        assert await log_of(cluster, job_id, 2) == b"hello\n"
    assert not cluster.leftovers()


@pytest.mark.parametrize("broken", [False, True])
async def test_a_retry_is_refused_without_the_guard_as_well(
    autojump_clock: object, *, broken: bool
) -> None:
    pool = Pool("strict", frozenset({"linux"}), require_egress_guard=True)
    cluster = Cluster(pools=(pool,))
    async with cluster.life() as life:
        host = life.world.hosts["h1"]
        host.guarded = broken  # it stands at first, and falls while the engine is away
        if broken:
            cluster.engines["h1"].fail_next("create_network", EngineUnavailable("cut"))
        asked = Execution(IMAGE, ("echo", "hello"), network=Network.EGRESS)
        job_id = await delegate(life, execution=asked)
        await trio.sleep(0.5)
        host.guarded = False
        (job,) = await cluster.finished(life, job_id)
        assert (job.conclusion, job.reason) == (Conclusion.FAILURE, Reason.START_FAILED)
        assert "guard" in (job.explanation or "")
    assert not cluster.leftovers()
