"""Workflow jobs through a scale set, whatever goes wrong and whoever listens."""

import pytest
import trio
from prometheus_client import CollectorRegistry, generate_latest
from trio.testing import MockClock

from runnerhub.actors.github.scale_set_metrics import ScaleSetCollector
from runnerhub.model.scale_set import Bounds
from runnerhub.sim.github.faults import FaultPlan, Ordered, RestFaults, RunnerFaults
from runnerhub.sim.runner.inprocess import Mood
from tests.simulation.ring import CANCELLED, JOBS, SEEDS, until
from tests.simulation.scale_circle import ScaleCircle, scale_circle

MESSAGES = "DELETE /actions-service/_apis/runtime/runnerscalesets/{id}/messages"


async def all_is_well(at: ScaleCircle) -> None:
    assert at.are_completed_once()
    assert at.runners() == []
    assert at.cluster.leftovers() == {}
    assert await at.cluster.ledger.open_runners() == []
    assert at.ledger.runners == {}
    assert await at.ledger.available("big", limit=99) == []
    assert not any(s.messages or s.news for s in at.github.state.scale_sets.sets.values())
    for job in at.jobs():
        known = await at.github_jobs.job(job.id)
        if job.takers:
            assert known is not None
            assert (known.status, known.conclusion) == ("completed", job.conclusion)
            assert known.runner_name == job.runner_name


async def test_a_job_is_noticed_at_once_and_nothing_is_left(autojump_clock: MockClock) -> None:
    async with scale_circle() as at:
        async with at.life() as node:
            await until(lambda: node.state.listening)
            await trio.sleep(10)
            began = trio.current_time()
            at.order()
            await until(at.runners)
            assert trio.current_time() - began < 1.0
            await at.until_completed()
            await trio.sleep(2)
            assert node.state.acquired == 1
        await all_is_well(at)
        assert at.most_runners == 1


async def test_no_more_runners_than_asked_for_and_spares_are_kept(
    autojump_clock: MockClock,
) -> None:
    async with scale_circle(bounds=Bounds(2, 5)) as at, at.life() as node:
        await until(lambda: node.state.listening)
        await trio.sleep(10)
        assert len(at.runners()) == 2
        at.order(20)
        with trio.fail_after(1000):
            while any(job.status != "completed" for job in at.jobs()):
                await trio.sleep(1)
        await trio.sleep(60)
        assert at.most_runners <= 5
        assert len(at.runners()) == 2


async def test_what_no_host_can_take_is_not_acquired(autojump_clock: MockClock) -> None:
    async with scale_circle(hosts=1, slots=3) as at:
        async with at.life() as node:
            await until(lambda: node.state.listening)
            at.order(10)
            await trio.sleep(1)  # no job is over yet
            assert node.state.capacity == 3
            assert node.state.acquired == 3
            await at.until_completed()
            await trio.sleep(60)
        await all_is_well(at)
        assert at.most_runners <= 4  # one whose job is over, and its successor


async def test_runners_of_cancelled_jobs_go(autojump_clock: MockClock) -> None:
    async with scale_circle() as at:
        async with at.life() as node:
            at.cluster.engines["h1"].delay_next_create(30)
            at.cluster.engines["h2"].delay_next_create(30)
            await until(lambda: node.state.listening)
            jobs = at.order(2)
            await until(lambda: len(at.runners()) == 2)
            for job in jobs:
                at.cancel(job)
            await at.until_completed(within=300)
            await trio.sleep(60)
        await all_is_well(at)


async def test_a_stop_hands_over_at_once(autojump_clock: MockClock) -> None:
    async with scale_circle() as at:
        async with at.life("node-1") as node:
            await until(lambda: node.state.listening)
            at.order(10)
            await until(at.runners)
        stopped_at = trio.current_time()
        async with at.life("node-2") as node:
            await until(lambda: node.state.listening)
            assert trio.current_time() - stopped_at < 5
            assert node.state.conflicts == 0
            await at.until_completed()
            await trio.sleep(60)
        await all_is_well(at)


async def test_another_node_takes_over_the_session_of_one_that_was_killed(
    autojump_clock: MockClock,
) -> None:
    async with scale_circle() as at:
        async with at.life("node-1") as one, at.life("node-2") as two:
            await until(lambda: one.state.listening or two.state.listening)
            first, other = (one, two) if one.state.listening else (two, one)
            at.order(20)
            await until(lambda: len(at.runners()) > 5)
            assert not other.state.listening
            first.kill()
            killed_at = trio.current_time()
            at.order(20)
            await until(lambda: other.state.listening)
            assert trio.current_time() - killed_at < 20  # the lease, not the session
            await at.until_completed()
            await trio.sleep(120)
        await all_is_well(at)


async def test_a_session_that_is_taken_from_us_is_opened_again(autojump_clock: MockClock) -> None:
    async with scale_circle() as at:
        async with at.life() as node:
            await until(lambda: node.state.listening)
            sets = at.github.state.scale_sets
            [scale_set] = sets.sets.values()
            sets.close(scale_set)
            foreign = sets.open(scale_set, "somebody else")
            await until(lambda: node.state.conflicts)
            assert node.state.sessions_lost == 1
            at.order(5)
            await trio.sleep(30)
            assert scale_set.session is foreign
            assert at.runners() == []
            await until(lambda: node.state.listening, within=300)
            await at.until_completed()
            await trio.sleep(60)
        await all_is_well(at)


async def test_nothing_is_acknowledged_while_the_ledger_is_away(autojump_clock: MockClock) -> None:
    async with scale_circle() as at:
        async with at.life() as node:
            await until(lambda: node.state.listening)
            at.ledger.outage = at.cluster.ledger.outage = True
            at.order(5)
            await trio.sleep(40)
            [scale_set] = at.github.state.scale_sets.sets.values()
            assert scale_set.messages
            assert not node.state.listening  # the lease could not be trusted any more
            at.ledger.outage = at.cluster.ledger.outage = False
            await at.until_completed()
            await trio.sleep(60)
        await all_is_well(at)


async def test_a_scale_set_that_was_deleted_is_made_again(autojump_clock: MockClock) -> None:
    async with scale_circle(bounds=Bounds(1, 10)) as at, at.life() as node:
        await until(lambda: len(at.runners()) == 1)
        await trio.sleep(10)
        before = at.runners()
        sets = at.github.state.scale_sets
        [scale_set] = sets.sets.values()
        sets.remove(scale_set)
        at.order(2)
        await until(lambda: scale_set not in sets.sets.values() and sets.sets)
        await until(lambda: all(job.status == "completed" for job in at.jobs()))
        await trio.sleep(120)
        assert node.state.sessions_lost == 1
        assert len(at.runners()) == 1
        assert at.runners() != before
        assert len(await at.cluster.ledger.open_runners()) == 1


async def test_demand_is_not_lost_with_the_answer_to_an_acknowledgement(
    autojump_clock: MockClock,
) -> None:
    async with scale_circle() as at:
        async with at.life() as node:
            await until(lambda: node.state.listening)
            faults = at.github.state.core.faults
            at.order(2)
            await until(lambda: node.state.acquired == 2)
            faults.ordered += [Ordered(MESSAGES, "lost", 1), Ordered(MESSAGES, "error", 2)]
            began = trio.current_time()
            await until(lambda: len(at.runners()) == 2)
            assert trio.current_time() - began < 2
            await at.until_completed()
            await trio.sleep(60)
        await all_is_well(at)


async def test_statistics_that_were_missed_are_asked_for(autojump_clock: MockClock) -> None:
    async with scale_circle() as at, at.life() as node:
        await until(lambda: node.state.listening)
        await trio.sleep(10)
        [scale_set] = at.github.state.scale_sets.sets.values()
        jobs = at.order()
        at.github.state.scale_sets.acquire(scale_set, jobs)
        scale_set.news.clear()
        scale_set.messages.clear()
        await until(at.runners, within=60)
        await until(lambda: at.jobs()[0].status == "completed")
        await trio.sleep(60)
        assert at.runners() == []


async def test_what_nobody_understands_is_acknowledged_and_counted(
    autojump_clock: MockClock,
) -> None:
    async with scale_circle() as at:
        async with at.life() as node:
            await until(lambda: node.state.listening)
            [scale_set] = at.github.state.scale_sets.sets.values()
            scale_set.news.append({"messageType": "JobFrozen", "runnerRequestId": 1})
            at.order()
            await at.until_completed()
            await trio.sleep(5)
            assert node.state.unreadable == 1
        await all_is_well(at)


async def test_a_scale_set_that_is_there_is_used_as_it_is(autojump_clock: MockClock) -> None:
    async with scale_circle() as at:
        scope = at.github.state.places.scope("repo", "acme/web")
        labels = [{"type": "System", "name": "linux"}, {"type": "System", "name": "more"}]
        made = at.github.state.scale_sets.add(scope, "big", 1, labels, {})
        async with at.life():
            at.order()
            await at.until_completed()
            await trio.sleep(5)
        assert list(at.github.state.scale_sets.sets.values()) == [made]
        assert made.labels == labels
        await all_is_well(at)


@pytest.mark.parametrize(
    ("mood", "seconds"), [(Mood.IDLE, 175), (Mood.ABSENT, 175), (Mood.DEAD, 0)]
)
async def test_a_runner_that_takes_no_job_is_replaced(
    autojump_clock: MockClock, mood: Mood, seconds: int
) -> None:
    async with scale_circle() as at:
        async with at.life() as node:
            await until(lambda: node.state.listening)
            at.moods = [mood]
            at.order()
            await trio.sleep(3)
            first = at.runners()
            at.moods = [Mood.WELL]
            began = trio.current_time()
            await at.until_completed(within=400)
            assert seconds <= trio.current_time() - began < seconds + 120
            await trio.sleep(60)
        await all_is_well(at)
        assert at.jobs()[0].runner_name not in first


async def test_a_runner_that_stays_behind_its_job_is_ended(autojump_clock: MockClock) -> None:
    async with scale_circle() as at:
        async with at.life() as node:
            await until(lambda: node.state.listening)
            at.endings = ["linger"]
            at.order(3)
            await at.until_completed(within=150)
            await trio.sleep(60)
        await all_is_well(at)


async def test_what_is_known_is_shown(autojump_clock: MockClock) -> None:
    async with scale_circle() as at, at.life() as node:
        registry = CollectorRegistry()
        registry.register(ScaleSetCollector(node.desk))
        assert 'runnerhub_scale_set_heard_seconds{scale_set="big"} 0.0' in _shown(registry)
        await until(lambda: node.state.listening)
        at.order(3)
        await until(lambda: len(at.runners()) == 3)
        shown = _shown(registry)
        for line in ("listening", "assigned_jobs", "desired_runners", "messages_total"):
            assert f'runnerhub_scale_set_{line}{{scale_set="big"}}' in shown
        assert 'desired_runners{scale_set="big"} 3.0' in shown
        assert 'capacity{scale_set="big"} 50.0' in shown
        assert 'acquired_jobs_total{scale_set="big"} 3.0' in shown
        await at.until_completed()


def _shown(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


async def mischief(at: ScaleCircle) -> None:
    sets = at.github.state.scale_sets
    match at.rng.randrange(8):
        case 0:  # somebody else listens, for as long as a session lasts
            for scale_set in sets.sets.values():
                sets.close(scale_set)
                sets.open(scale_set, "somebody else")
        case 1:  # what is read cannot be acknowledged, whether it is or not
            faults = at.github.state.core.faults
            faults.ordered += [Ordered(MESSAGES, "error", 4), Ordered(MESSAGES, "lost", 4)]
        case 2:
            at.ledger.outage = at.cluster.ledger.outage = True
            await trio.sleep(at.rng.uniform(1, 20))
            at.ledger.outage = at.cluster.ledger.outage = False
        case 3:  # what a message says is said again by another
            for scale_set in sets.sets.values():
                scale_set.news.extend(
                    part for each in scale_set.messages.values() for part in each.jobs
                )


@pytest.mark.parametrize("ending", ["crash", "silent"])
async def test_a_job_whose_runner_says_no_more_is_failed_by_github_and_nothing_is_left(
    autojump_clock: MockClock, ending: str
) -> None:
    async with scale_circle() as at:
        async with at.life() as node:
            await until(lambda: node.state.listening)
            at.endings = [ending]
            at.order()
            await at.until_completed(within=900)
            await trio.sleep(60)
        assert at.jobs()[0].conclusion == "failure"
        await all_is_well(at)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_goes_wrong_every_job_runs_once_and_nothing_is_left(
    autojump_clock: MockClock, seed: int
) -> None:
    """Nodes are killed, and others take over, while calls fail or lose their answers."""
    plan = FaultPlan(
        seed=seed,
        rest=RestFaults(error=0.02, lost=0.02),
        scale_sets=RestFaults(error=0.05, lost=0.05, slow=0.02, too_many=0.01),
        runners=RunnerFaults(crosswise=1.0, ghost=0.02),
    )
    async with scale_circle(plan, seed=seed) as at:
        at.endings += ["linger", "skipped"]
        at.moods = [*[Mood.WELL] * 30, Mood.IDLE, Mood.ABSENT, Mood.DEAD]
        ordered = cancelled = 0
        for number in range(4):
            async with at.life(f"node-{number}") as node:
                for _ in range(10):
                    batch = min(at.rng.randint(1, max(1, JOBS // 25)), JOBS - ordered)
                    ordered += batch
                    if batch:
                        at.order(batch)
                    await trio.sleep(at.rng.uniform(0, 5))
                    going = [job.id for job in at.jobs() if job.status != "completed"]
                    if going and cancelled < CANCELLED:
                        cancelled += 1
                        at.cancel(at.rng.choice(going))
                    await mischief(at)
                await trio.sleep(at.rng.uniform(0, 30))
                node.kill()
        at.github.state.core.faults.ordered.clear()
        async with at.life("node-9") as node:
            if ordered < JOBS:
                at.order(JOBS - ordered)
            await at.until_completed(within=900 + 2 * JOBS)  # more would be a stall
            await trio.sleep(180)
        assert len(at.jobs()) == JOBS
        assert cancelled
        assert {"error", "lost", "crosswise"} <= at.struck()
        await all_is_well(at)
