"""Webhooks against a simulated GitHub: lost, doubled, late, and over the ends of a node's lives."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from runnerhub.actors.webhooks import reconciler
from runnerhub.ports.errors import PortError
from runnerhub.sim.github.faults import FaultPlan, Ordered, RestFaults, WebhookFaults
from tests.simulation.hooks import Place, place

DAY = 86_400.0


async def settled(at: Place, wanted: dict[int, str], within: float = 30.0) -> None:
    with trio.move_on_after(within):
        while await at.statuses() != wanted:
            await trio.sleep(0.1)
    assert await at.statuses() == wanted


async def test_a_job_is_noticed_at_once(autojump_clock: MockClock) -> None:
    async with place() as at, at.life() as desk:
        await trio.sleep(30)
        woken, began = desk.world.github_jobs_changed.ticket(), trio.current_time()
        (job,) = at.order("self-hosted", "gpu")
        await woken.wait()
        assert trio.current_time() - began < 1.0
        (offered,) = await at.jobs.queued_for(["self-hosted", "gpu", "linux"])
        assert (offered.id, offered.labels) == (job, ("self-hosted", "gpu"))
        assert offered.installation_id == at.credential.installation_id


@pytest.mark.parametrize("hook", ["app", "repo", "org"])
async def test_what_was_lost_is_asked_for_again(autojump_clock: MockClock, hook: str) -> None:
    async with place(hook=hook) as at:
        async with at.life():
            (first,) = at.order()
            await settled(at, {first: "queued"})
        (second,) = at.order()  # nobody is there to take it
        await trio.sleep(2 * 3600)
        async with at.life() as desk:
            await settled(at, {first: "queued", second: "queued"}, within=10)
            assert desk.statistics.redelivered["asked"] == 2  # the run was told of as well
            await trio.sleep(1000)
            assert desk.statistics.redelivered["asked"] == 2


async def test_what_arrived_although_github_thinks_not_is_not_asked_for(
    autojump_clock: MockClock,
) -> None:
    async with place() as at, at.life() as desk:
        receive = at.deliveries.receive

        async def slow(arrived: Any) -> Any:
            answers = await receive(arrived)
            await trio.sleep(20)  # GitHub waits for 10 s
            return answers

        at.deliveries.receive = slow  # type: ignore[method-assign]
        (job,) = at.order()
        await trio.sleep(50)
        at.deliveries.receive = receive  # type: ignore[method-assign]
        assert {each.status_code for each in at.github.state.hooks.deliveries.values()} <= {
            503,
            504,
        }
        await settled(at, {job: "queued"})
        await trio.sleep(300)
        assert not desk.statistics.redelivered


async def test_none_is_asked_for_too_often_or_too_late(autojump_clock: MockClock) -> None:
    async with place() as at:
        at.order()
        await trio.sleep(4 * DAY + 60)  # GitHub gave the job up after one
        async with at.life() as desk:
            await trio.sleep(300)
            assert not desk.statistics.redelivered
            sent = list(at.github.state.hooks.deliveries)
            at.wire.app = None
            at.order()
            await trio.sleep(2000)
            attempts: dict[str, int] = {}
            for number, each in at.github.state.hooks.deliveries.items():
                if number not in sent:
                    attempts[each.guid] = attempts.get(each.guid, 0) + 1
            assert set(attempts.values()) == {4}


async def test_a_hook_that_may_not_be_read_is_left_alone(autojump_clock: MockClock) -> None:
    async with place(hook="repo") as at, at.life() as desk:
        at.order()
        await trio.sleep(70)
        at.github.state.core.faults.ordered.append(Ordered("deliveries", "forbidden", 10**6))
        await trio.sleep(200)
        assert len(await at.deliveries.hooks(9)) == 1
        assert not desk.statistics.redelivered


async def test_one_node_of_several_looks(autojump_clock: MockClock) -> None:
    async with place() as at, at.life("n1") as one, at.life("n2") as two:
        app, at.wire.app = at.wire.app, None
        jobs = at.order(count=20)
        await trio.sleep(1)
        at.wire.app = app
        await settled(at, dict.fromkeys(jobs, "queued"), within=100)
        await trio.sleep(30)
        asked = [desk.statistics.redelivered["asked"] for desk in (one, two)]
        assert sorted(asked) == [0, 40]


# ---------------------------------------------------------------- what no delivery told of


async def test_a_job_nobody_told_of_is_found(autojump_clock: MockClock) -> None:
    plan = FaultPlan(webhooks=WebhookFaults(vanished=1.0))
    for hook in ("app", "repo"):
        async with place(plan, hook) as at, at.life() as desk:
            jobs = at.order("x", count=3)
            await settled(at, dict.fromkeys(jobs, "queued"), within=70)
            assert desk.statistics.found == {"queued": 3}
            assert [job.id for job in await at.jobs.queued_for(["x"])] == jobs


async def test_a_job_whose_end_nobody_told_of_is_followed_up(autojump_clock: MockClock) -> None:
    async with place() as at, at.life():
        (job, gone) = at.order(count=2)
        await settled(at, {job: "queued", gone: "queued"})
        at.github.state.core.faults.plan.webhooks.vanished = 1.0
        work = at.github.state.work
        work.cancel_job(work.job(job), force=True)
        work.cancel_job(work.job(gone), force=True)
        del work.jobs[gone]
        await settled(at, {job: "completed", gone: "completed"}, within=800)
        ended = await at.jobs.job(job)
        lost = await at.jobs.job(gone)
        assert ended is not None
        assert lost is not None
        assert (ended.conclusion, lost.conclusion) == ("cancelled", "stale")


async def test_a_round_keeps_to_its_requests(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "MOST_REQUESTS", 10)
    plan = FaultPlan(webhooks=WebhookFaults(vanished=1.0))
    async with place(plan) as at:
        for number in range(40):
            at.github.state.places.add_repository(f"acme/r{number}")
        jobs = [job for number in range(0, 40, 7) for job in at.order(repository=f"acme/r{number}")]
        async with at.life():
            await trio.sleep(1)
            sent = sum(at.github.site.calls.values())
            await trio.sleep(59)
            assert sum(at.github.site.calls.values()) - sent < 25
            await settled(at, dict.fromkeys(jobs, "queued"), within=2000)


# ---------------------------------------------------------------- lives


async def test_what_was_durable_is_worked_on_in_the_next_life(autojump_clock: MockClock) -> None:
    async with place() as at:
        observe, stop = at.jobs.observe, trio.Event()

        async def never(_: Any) -> Any:
            stop.set()
            await trio.sleep_forever()

        at.jobs.observe = never  # type: ignore[method-assign, assignment]
        with trio.CancelScope() as life:
            async with at.life():
                (job,) = at.order()
                await stop.wait()
                await trio.sleep(1)
                life.cancel()  # nobody is asked, nothing is written
        at.wire.app = None
        assert (await at.deliveries.backlog()).waiting == 2
        assert await at.statuses() == {}
        at.jobs.observe = observe  # type: ignore[method-assign]
        async with at.life():
            await settled(at, {job: "queued"}, within=1)
            assert (await at.deliveries.backlog()).waiting == 0


async def test_one_that_cannot_be_worked_on_holds_up_no_other_and_is_given_up(
    autojump_clock: MockClock,
) -> None:
    async with place() as at, at.life() as desk:
        observe = at.jobs.observe

        async def picky(told: Any) -> Any:
            if any(job.name == "bad" for job in told):
                raise PortError("PostgreSQL refuses: this one")
            return await observe(told)

        at.jobs.observe = picky  # type: ignore[method-assign]
        at.order(jobs=[{"name": "bad"}])
        good = at.order(count=5)
        await settled(at, dict.fromkeys(good, "queued"), within=2)
        await trio.sleep(600)
        backlog = await at.deliveries.backlog()
        assert (backlog.waiting, backlog.dead) == (0, 1)
        assert desk.backlog.dead == 1
        assert desk.statistics.worked["workflow_job", "failed"] == 9
        assert desk.statistics.worked["workflow_job", "dead"] == 1


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_goes_wrong_every_job_is_known_as_it_stands(
    autojump_clock: MockClock, seed: int
) -> None:
    plan = FaultPlan(
        seed=seed,
        rest=RestFaults(error=0.02, lost=0.02),
        webhooks=WebhookFaults(dropped=0.1, vanished=0.02, doubled=0.05, reordered=1.0),
    )
    async with place(plan) as at, at.life("n1"), at.life("n2"):
        work = at.github.state.work
        jobs = at.order(count=120)
        for number in jobs[::2]:
            await trio.sleep(0.2)
            work.cancel_job(work.job(number), force=True)
        wanted = {number: work.job(number).status for number in jobs}
        assert set(wanted.values()) == {"queued", "completed"}
        await settled(at, wanted, within=3600)
        offered = await at.jobs.queued_for(["self-hosted"], limit=500)
        assert {job.id for job in offered} == {n for n, s in wanted.items() if s == "queued"}
