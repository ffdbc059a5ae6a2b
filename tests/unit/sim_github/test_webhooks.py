"""Deliveries: logged, asked for again, dropped, doubled, out of order."""

import httpx
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.sim.github.faults import FaultPlan, WebhookFaults
from tests.unit.sim_github.sut import HOOK, REPO, Sim, a_sim


async def hooked(sim: Sim, events: list[str] | None = None) -> str:
    body = {"config": {"url": HOOK, "secret": "s"}, "events": events or ["workflow_job"]}
    number = (await sim.call("POST", f"{REPO}/hooks", body))["id"]
    await wait_all_tasks_blocked()
    sim.hooked.received.clear()
    return f"{REPO}/hooks/{number}/deliveries"


async def test_a_failed_delivery_is_listed_and_sent_again_under_its_guid(
    autojump_clock: MockClock,
) -> None:
    async with a_sim() as sim:
        log = await hooked(sim)
        sim.hooked.answer = lambda: httpx.Response(500)
        await sim.order()
        await wait_all_tasks_blocked()
        [failed] = await sim.call("GET", f"{log}?status=failure")
        assert (failed["status_code"], failed["redelivery"]) == (500, False)
        sim.hooked.answer = lambda: httpx.Response(202)
        await sim.call("POST", f"{log}/{failed['id']}/attempts")
        await wait_all_tasks_blocked()
        newest = (await sim.call("GET", log))[0]
        assert (newest["guid"], newest["redelivery"]) == (failed["guid"], True)
        assert newest["status"] == "OK"
        first, second = sim.hooked.received
        assert first.body == second.body
        assert first.headers["x-github-delivery"] == second.headers["x-github-delivery"]
        await trio.sleep(3 * 24 * 3600 + 1)
        assert await sim.refused("POST", f"{log}/{failed['id']}/attempts") == 422


async def test_an_endpoint_that_is_away_or_slow_is_a_failed_delivery(
    autojump_clock: MockClock,
) -> None:
    async with a_sim() as sim:
        log = await hooked(sim)

        def away() -> httpx.Response:
            raise httpx.ConnectError("nobody there")

        sim.hooked.answer = away
        await sim.order()
        await wait_all_tasks_blocked()
        [failed] = await sim.call("GET", f"{log}?status=failure")
        assert (failed["status_code"], failed["status"]) == (502, "failed to connect to host")


async def test_deliveries_are_paged_by_a_cursor(autojump_clock: MockClock) -> None:
    async with a_sim() as sim:
        log = await hooked(sim)
        await sim.order(count=7)
        await wait_all_tasks_blocked()
        seen: list[int] = []
        url = f"{log}?per_page=3"
        while url:
            answer = await sim.client.get(url)
            seen += [each["id"] for each in answer.json()]
            url = answer.links.get("next", {}).get("url", "")
            await sim.order()
            await wait_all_tasks_blocked()
        assert len(seen) == len(set(seen)) == 8
        assert seen == sorted(seen, reverse=True)


async def test_dropped_ones_are_listed_and_vanished_ones_are_not(autojump_clock: MockClock) -> None:
    plan = FaultPlan(seed=1, webhooks=WebhookFaults(dropped=0.3, vanished=0.2, doubled=0.2))
    async with a_sim(plan) as sim:
        sim.state.hooks.add("repo", "acme/web", HOOK, events=["workflow_job"])
        await sim.order(count=200)
        await wait_all_tasks_blocked()
        struck = sim.state.core.faults.struck
        dropped, vanished, doubled = (
            struck[f"webhook.{kind}"] for kind in ("dropped", "vanished", "doubled")
        )
        assert 30 < vanished < 60
        assert 30 < dropped < 70
        assert len(sim.state.hooks.deliveries) == 200 - vanished
        assert len(sim.hooked.received) == 200 - vanished - dropped + doubled
        guids = {each.headers["x-github-delivery"] for each in sim.hooked.received}
        assert len(guids) == 200 - vanished - dropped


async def test_the_same_seed_strikes_the_same_deliveries(autojump_clock: MockClock) -> None:
    seen = []
    for _ in range(2):
        plan = FaultPlan(seed=9, webhooks=WebhookFaults(dropped=0.5, reordered=1.0))
        async with a_sim(plan) as sim:
            sim.state.hooks.add("repo", "acme/web", HOOK, events=["workflow_job"])
            await sim.order(count=30)
            await trio.sleep(6)
            seen.append([job["id"] for job in sim.hooked.jobs("queued")])
    assert seen[0] == seen[1]
    assert seen[0] != sorted(seen[0])
    assert 5 < len(seen[0]) < 25


async def test_an_app_is_told_of_the_repositories_it_is_installed_in(
    autojump_clock: MockClock,
) -> None:
    async with a_sim() as sim:
        sim.state.places.add_repository("acme/api")
        webhook = {"url": HOOK, "secret": "s"}
        app = await sim.call("POST", "/_sim/apps", {"webhook": webhook, "owner": "acme"})
        installed = {"app_id": app["id"], "account": "acme", "repositories": ["acme/web"]}
        number = (await sim.call("POST", "/_sim/installations", installed))["id"]
        await sim.order(repository="acme/api")
        await sim.order()
        await wait_all_tasks_blocked()
        [told] = [each for each in sim.hooked.received if each.what == ("workflow_job", "queued")]
        assert told.json["installation"]["id"] == number
        assert told.headers["x-github-hook-installation-target-type"] == "integration"


async def test_any_event_can_be_sent(sim: Sim, autojump_clock: MockClock) -> None:
    body = {"event": "push", "repository": "acme/web", "payload": {"ref": "refs/heads/main"}}
    await sim.call("POST", "/_sim/events", body)
    await wait_all_tasks_blocked()
    [told] = sim.hooked.received
    assert told.headers["x-github-event"] == "push"
    assert told.json["ref"] == "refs/heads/main"
    assert told.json["repository"]["full_name"] == "acme/web"
