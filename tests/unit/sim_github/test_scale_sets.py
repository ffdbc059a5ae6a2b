"""The scale-set service, as a listener meets it."""

import pytest
import trio
from trio.testing import MockClock

from tests.unit.sim_github.listener import Listener, kinds
from tests.unit.sim_github.sut import REPO, Sim


async def listening(sim: Sim, name: str = "big") -> Listener:
    listener = await Listener.connect(sim)
    await listener.make(name)
    await listener.open()
    return listener


async def test_a_job_goes_all_the_way_through_a_scale_set(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    [job] = await sim.order("big")
    offer = await listener.poll()
    assert offer["messageType"] == "RunnerScaleSetJobMessages"
    [available] = offer["jobs"]
    assert (available["messageType"], available["runnerRequestId"]) == ("JobAvailable", job)
    assert (available["ownerName"], available["repositoryName"]) == ("acme", "web")
    assert available["requestLabels"] == ["big"]
    assert offer["statistics"]["totalAvailableJobs"] == 1
    await listener.acknowledge(offer)
    assert await listener.acquire(job) == [job]

    assigned = await listener.poll(offer["messageId"])
    assert kinds(assigned) == ["JobAssigned"]
    assert assigned["statistics"]["totalAssignedJobs"] == 1
    await listener.acknowledge(assigned)

    made = await listener.jit("r1")
    assert made["runner"]["runnerScaleSetId"] == listener.set["id"]
    runner = await sim.runner(made["encodedJITConfig"])
    assert (await runner.message())["job_id"] == job
    started = await listener.poll(assigned["messageId"])
    assert kinds(started) == ["JobStarted"]
    assert started["jobs"][0]["runnerName"] == "r1"
    assert started["statistics"]["totalRunningJobs"] == 1
    assert started["statistics"]["totalBusyRunners"] == 1
    await listener.acknowledge(started)

    await runner.finish(job)
    ended = await listener.poll(started["messageId"])
    assert [(j["messageType"], j["result"]) for j in ended["jobs"]] == [
        ("JobCompleted", "succeeded")
    ]
    assert set(ended["statistics"].values()) == {0}


async def test_a_poll_without_news_answers_202_after_fifty_seconds(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    began = trio.current_time()
    answer = await sim.client.get(listener.session["messageQueueUrl"], headers=listener.queue)
    assert answer.status_code == 202
    assert trio.current_time() - began == pytest.approx(50)


async def test_a_poll_is_answered_as_soon_as_there_is_news(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def later() -> None:
            await trio.sleep(5)
            await sim.order("big")

        nursery.start_soon(later)
        assert kinds(await listener.poll()) == ["JobAvailable"]
    assert trio.current_time() - began == pytest.approx(5)


async def test_what_is_not_acknowledged_comes_again(sim: Sim, autojump_clock: MockClock) -> None:
    listener = await listening(sim)
    [job] = await sim.order("big")
    first = await listener.poll()
    again = await listener.poll()
    assert again["messageId"] == first["messageId"]
    began = trio.current_time()
    later = await listener.poll(first["messageId"])
    assert later["messageId"] == first["messageId"]
    assert trio.current_time() - began == pytest.approx(30, abs=0.01)
    await listener.acknowledge(first)
    await listener.acquire(job)
    assert kinds(await listener.poll(first["messageId"])) == ["JobAssigned"]


async def test_an_offer_that_nobody_takes_up_is_repeated(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    [job] = await sim.order("big")
    offer = await listener.poll()
    await listener.acknowledge(offer)
    assert await listener.poll(offer["messageId"]) is None
    repeated = await listener.poll(offer["messageId"])
    assert repeated["jobs"][0]["runnerRequestId"] == job


async def test_an_offer_for_which_there_is_no_room_any_more_waits_quietly(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    await sim.order("big")
    offer = await listener.poll(capacity=1)
    await listener.acknowledge(offer)
    for _ in range(3):
        assert await listener.poll(offer["messageId"], capacity=0) is None
    assert trio.current_time() == pytest.approx(150, abs=0.1)
    assert kinds(await listener.poll(offer["messageId"], capacity=1)) == ["JobAvailable"]


async def test_offers_keep_to_the_capacity_and_messages_to_fifty_jobs(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    await sim.order("big", count=70)
    few = await listener.poll(capacity=3)
    assert len(few["jobs"]) == 3
    await listener.acknowledge(few)
    many = await listener.poll(few["messageId"], capacity=100)
    assert len(many["jobs"]) == 50
    rest = await listener.poll(many["messageId"], capacity=100)
    assert len(rest["jobs"]) == 17


async def test_there_is_one_session_and_it_lapses_when_nobody_polls(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    await sim.order("big")
    offer = await listener.poll()
    other = await Listener.connect(sim)
    other.set = listener.set
    conflict = (409, "RunnerScaleSetSessionConflictException")
    assert await other.refused("POST", f"{other.path}/sessions", {"ownerName": "you"}) == conflict
    await trio.sleep(121)
    await other.open("you")
    taken_over = await other.poll()
    assert taken_over["messageId"] == offer["messageId"]
    answer = await sim.client.get(listener.session["messageQueueUrl"], headers=listener.queue)
    assert answer.status_code == 401
    await other.ask("DELETE", f"{other.path}/sessions/{other.session['sessionId']}")
    await listener.open()


async def test_an_expired_queue_token_is_refreshed(sim: Sim, autojump_clock: MockClock) -> None:
    await sim.call("PUT", "/_sim/scale-sets", {"queue_seconds": 100})
    listener = await listening(sim)
    await trio.sleep(101)
    url = listener.session["messageQueueUrl"]
    assert (await sim.client.get(url, headers=listener.queue)).status_code == 401
    await listener.refresh()
    assert await listener.poll() is None


async def test_an_expired_admin_token_is_refused(sim: Sim, autojump_clock: MockClock) -> None:
    listener = await Listener.connect(sim)
    await listener.make()
    await trio.sleep(3601)
    assert await listener.refused("GET", listener.path) == (401, "TokenExpiredException")


async def test_jobs_are_routed_by_labels(sim: Sim, autojump_clock: MockClock) -> None:
    early, other = await sim.order("big"), await sim.order("small")
    listener = await listening(sim)
    assert [job["runnerRequestId"] for job in (await listener.poll())["jobs"]] == early
    plain = await sim.runner((await sim.jit("r1", "big", "small"))["encoded_jit_config"])
    assert (await plain.message())["job_id"] == other[0]
    assert await listener.acquire(other[0]) == []


async def test_a_runner_of_the_set_takes_no_job_that_was_not_acquired(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    [job] = await sim.order("big")
    runner = await sim.runner((await listener.jit("r1"))["encodedJITConfig"])
    assert await runner.message(wait=5) is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.acquire, job)
        assert (await runner.message())["job_id"] == job


async def test_agents_are_found_and_removed_unless_busy(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    [job] = await sim.order("big")
    await listener.acquire(job)
    made = await listener.jit("r1")
    agents = "distributedtask/pools/0/agents"
    assert await listener.refused(
        "POST", f"{listener.path}/generatejitconfig", {"name": "r1", "workFolder": "w"}
    ) == (409, "AgentExistsException")
    assert (await listener.ask("GET", f"{agents}?agentName=r1"))["count"] == 1
    assert (await listener.ask("GET", f"{agents}?agentName=r2"))["count"] == 0
    agent = f"{agents}/{made['runner']['id']}"
    runner = await sim.runner(made["encodedJITConfig"])
    await runner.message()
    assert await listener.refused("DELETE", agent) == (400, "JobStillRunningException")
    assert await sim.runners() == ["r1"]
    idle = await listener.jit("r2")
    await listener.ask("DELETE", f"{agents}/{idle['runner']['id']}")
    assert await listener.refused("GET", f"{agents}/{idle['runner']['id']}") == (
        404,
        "AgentNotFoundException",
    )


async def test_scale_sets_are_listed_changed_and_deleted(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    sets = "runtime/runnerscalesets"
    assert (await listener.ask("GET", f"{sets}?runnerGroupId=1&name=big"))["count"] == 1
    assert (await listener.ask("GET", f"{sets}?runnerGroupId=1&name=no"))["value"] == []
    taken = {"name": "big", "runnerGroupId": 1}
    assert await listener.refused("POST", sets, taken) == (409, "RunnerScaleSetExistsException")
    changed = await listener.ask("PATCH", listener.path, {"name": "huge"})
    assert changed["name"] == "huge"
    groups = await listener.ask("GET", "runtime/runnergroups/?groupName=Default")
    assert groups["value"][0]["isDefaultGroup"] is True
    [job] = await sim.order("big")
    await listener.ask("DELETE", listener.path)
    assert await listener.refused("GET", listener.path) == (
        404,
        "RunnerScaleSetNotFoundException",
    )
    runner = await sim.runner((await sim.jit("r1", "big"))["encoded_jit_config"])
    assert (await runner.message())["job_id"] == job


async def test_a_cancelled_job_that_was_acquired_is_told_as_completed(
    sim: Sim, autojump_clock: MockClock
) -> None:
    listener = await listening(sim)
    [job] = await sim.order("big")
    await listener.acquire(job)
    assigned = await listener.poll()
    await listener.acknowledge(assigned)
    run = (await sim.job(job))["run_id"]
    await sim.call("POST", f"{REPO}/actions/runs/{run}/cancel")
    ended = await listener.poll(assigned["messageId"])
    assert [(j["messageType"], j["result"]) for j in ended["jobs"]] == [
        ("JobCompleted", "canceled")
    ]
    assert ended["statistics"]["totalAssignedJobs"] == 0


async def test_bodies_may_begin_with_a_byte_order_mark(sim: Sim, autojump_clock: MockClock) -> None:
    await sim.call("PUT", "/_sim/scale-sets", {"bom": True})
    listener = await Listener.connect(sim)
    url = f"{listener.base}_apis/runtime/runnerscalesets"
    answer = await sim.client.get(url, headers=listener.admin)
    assert answer.content.startswith(b"\xef\xbb\xbf{")


async def test_faults_strike_the_service_too(sim: Sim, autojump_clock: MockClock) -> None:
    listener = await listening(sim)
    order = {"match": "acquirejobs", "kind": "error"}
    await sim.call("POST", "/_sim/faults/next", order)
    [job] = await sim.order("big")
    url = f"{listener.base}_apis/{listener.path}/acquirejobs"
    answer = await sim.client.post(url, json=[job], headers=listener.queue)
    assert answer.status_code == 502
    assert await listener.acquire(job) == [job]
