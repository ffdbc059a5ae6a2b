"""The sync against the simulated GitHub, under a mock clock."""

import pytest
import trio
from trio.testing import MockClock

from runnerhub.model.github_sync import Kind
from runnerhub.sim.github.orders import JobOrder, RunOrder
from runnerhub.sim.github.things import Scope
from tests.simulation.github.syncing import by_kind, syncing

HOUR = 3600.0


@pytest.mark.parametrize("hook", ["app", "repo"])
async def test_everything_is_kept(autojump_clock: MockClock, hook: str) -> None:
    async with syncing(hook=hook) as sync:
        sim = sync.at.github.state
        for number in range(120):
            sim.places.add_repository(f"acme/r{number}")
        (job,) = sync.at.order("self-hosted")
        scope = Scope("repo", "acme/web")
        runner = sim.fleet.add(scope, "r1", ["linux"], group_id=1)
        of_org = sim.fleet.add(Scope("org", "acme"), "o1", ["gpu"], group_id=1)
        async with sync.life(webhooks=False):
            await trio.sleep(300)
            assert len(await sync.shown(Kind.REPOSITORIES)) == 121
            (flow,) = await sync.shown(Kind.WORKFLOWS)
            assert (flow.thing.scope, flow.thing.data["state"]) == ("acme/web", "active")
            assert set(await sync.data(Kind.RUNNERS)) == {runner.id, of_org.id}
            (run,) = await sync.shown(Kind.RUNS, repository="acme/web")
            assert run.thing.data["status"] == "queued"
            assert [each.id for each in run.jobs] == [job]


async def test_what_is_gone_is_removed(autojump_clock: MockClock) -> None:
    async with syncing() as sync:
        sim = sync.at.github.state
        sim.places.add_repository("acme/old")
        runner = sim.fleet.add(Scope("repo", "acme/web"), "r1", ["linux"], group_id=1)
        sync.at.order(repository="acme/old")
        async with sync.life(webhooks=False):
            await trio.sleep(300)
            assert set(await sync.data(Kind.RUNNERS)) == {runner.id}
            assert len(await sync.data(Kind.RUNS)) == 1
            sim.fleet.remove(runner)
            del sim.places._repositories["acme/old"]
            await trio.sleep(2 * HOUR)
            assert await sync.data(Kind.RUNNERS) == {}
            assert [each.thing.scope for each in await sync.shown(Kind.REPOSITORIES)] == [
                "acme/web"
            ]
            assert await sync.data(Kind.RUNS) == {}


async def test_a_webhook_is_enough_for_a_run_and_its_jobs(autojump_clock: MockClock) -> None:
    async with syncing() as sync, sync.life():
        await trio.sleep(300)
        sync.asked.clear()
        (job,) = sync.at.order("self-hosted")
        await trio.sleep(1)
        (run,) = await sync.shown(Kind.RUNS)
        assert run.thing.data["status"] == "queued"
        sync.at.github.state.work.cancel(sync.at.github.state.work.runs[run.thing.id])
        await trio.sleep(1)
        (run,) = await sync.shown(Kind.RUNS)
        assert (run.thing.data["status"], run.thing.data["conclusion"]) == (
            "completed",
            "cancelled",
        )
        assert [(each.id, each.status) for each in run.jobs] == [(job, "completed")]
        await trio.sleep(60)
        assert by_kind(sync.asked, f"/runs/{run.thing.id}") == []


async def test_without_webhooks_runs_and_jobs_are_found(autojump_clock: MockClock) -> None:
    async with syncing() as sync, sync.life(webhooks=False):
        await trio.sleep(300)
        state = sync.at.github.state
        (run,) = state.work.queue(RunOrder(repository="acme/web", jobs=[JobOrder(), JobOrder()]))
        state.work.cancel(run)
        await trio.sleep(240)
        (seen,) = await sync.shown(Kind.RUNS)
        assert seen.thing.data["conclusion"] == "cancelled"
        assert [each.status for each in seen.jobs] == ["completed"] * 2
        sync.asked.clear()
        await trio.sleep(HOUR)  # what agrees is not asked for again
        assert by_kind(sync.asked, f"/runs/{run.id}/jobs") == []


async def test_quiet_repositories_cost_nothing_and_are_looked_at_ever_more_rarely(
    autojump_clock: MockClock,
) -> None:
    async with syncing() as sync:
        for number in range(3):
            sync.at.github.state.places.add_repository(f"acme/r{number}")
        async with sync.life(webhooks=False):
            await trio.sleep(2 * HOUR)
            sync.asked.clear()
            await trio.sleep(HOUR)
            sync_asked = [e for e in sync.asked if e[0].partition("?")[0].rpartition("/")[2] in
                          {"runners", "workflows"}]  # fmt: skip
            assert {status for _, status in sync_asked} == {304}
            assert len(sync_asked) < 4 * 5


async def test_it_goes_on_after_a_restart(autojump_clock: MockClock) -> None:
    async with syncing() as sync:
        async with sync.life(webhooks=False):
            await trio.sleep(HOUR)
        sync.asked.clear()
        async with sync.life(webhooks=False):
            await trio.sleep(HOUR)
        assert set(by_kind(sync.asked, "/workflows")) <= {304}
        assert set(by_kind(sync.asked, "/actions/runners")) <= {304}


async def test_a_refusal_leaves_the_others_alone(autojump_clock: MockClock) -> None:
    async with syncing() as sync:
        installation = sync.at.github.state.access.installations(
            next(iter(sync.at.github.state.access._book.apps.values()))
        )[0]
        del installation.permissions["administration"]
        sync.at.order()
        async with sync.life() as desk:
            await trio.sleep(600)
            assert len(await sync.data(Kind.RUNS)) == 1
            assert desk.looks[Kind.RUNNERS, "refused"] == 1


async def test_the_ledger_may_be_away(autojump_clock: MockClock) -> None:
    async with syncing() as sync, sync.life(webhooks=False):
        await trio.sleep(120)
        sync.state.outage = True
        sync.at.order()
        await trio.sleep(600)
        sync.state.outage = False
        await trio.sleep(120)
        assert len(await sync.data(Kind.RUNS)) == 1


async def test_a_budget_that_ends_lets_everything_have_its_turn(autojump_clock: MockClock) -> None:
    async with syncing(hook="repo") as sync:
        sim = sync.at.github.state
        sim.limits.overrides["*", "core"] = 60
        for number in range(40):
            sim.places.add_repository(f"acme/r{number}")
            sync.at.order(repository=f"acme/r{number}")
        async with sync.life(webhooks=False):
            await trio.sleep(6 * HOUR)
        assert not sim.limits.violations
        assert len(await sync.data(Kind.RUNS)) == 40
        assert len(await sync.data(Kind.WORKFLOWS)) == 40


async def test_what_a_webhook_hints_at_is_looked_at_soon(autojump_clock: MockClock) -> None:
    async with syncing(hook="org") as sync, sync.life():
        await trio.sleep(300)
        sim = sync.at.github.state
        repository = sim.places.add_repository("acme/new")
        sync.at.order(repository="acme/new")
        sim.hooks.emit("repository", "created", repository, {}, "made")
        await trio.sleep(90)
        assert len(await sync.shown(Kind.REPOSITORIES)) == 2
        (flow,) = await sync.shown(Kind.WORKFLOWS)
        assert flow.thing.scope == "acme/new"


async def test_a_change_costs_one_call(autojump_clock: MockClock) -> None:
    async with syncing() as sync, sync.life(webhooks=False):
        await trio.sleep(HOUR)
        sync.at.order()
        sync.asked.clear()
        await trio.sleep(40 * 60)
        assert by_kind(sync.asked, "/actions/workflows").count(200) <= 1
        assert by_kind(sync.asked, "/actions/runs").count(200) == 1
