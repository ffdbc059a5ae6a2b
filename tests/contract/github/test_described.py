"""Every answer of the simulated GitHub, and every webhook, is as GitHub describes it."""

from pathlib import Path
from typing import Any

import jwt
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.sim.github.faults import FaultPlan, RestFaults, RunnerFaults, WebhookFaults
from runnerhub.sim.github.rest import apps, hooks, places, runners, runs
from tests.contract.github.description import Watcher, description
from tests.simulation.circle import circle
from tests.unit.sim_github.sut import HOOK, REPO, Sim

ACTIONS = f"{REPO}/actions"


async def everything(sim: Sim) -> None:
    """Call every route at least once, so that it answers something whole."""
    await the_places(sim)
    await the_runners(sim)
    await the_runs(sim)
    await the_hooks(sim)
    await the_app(sim)


async def the_places(sim: Sim) -> None:
    for path in (REPO, "/orgs/acme", "/orgs/acme/repos", "/user/repos", "/user", "/rate_limit"):
        await sim.call("GET", path)
    await sim.call("GET", "/meta")
    assert await sim.refused("GET", "/repos/acme/nothing") == 404
    assert await sim.refused("GET", REPO, authorization="token nonsense") == 401


async def the_runners(sim: Sim) -> None:
    await sim.call("POST", "/_sim/enterprises", {"slug": "big"})
    for path in (REPO, "/orgs/acme", "/enterprises/big"):
        made = await sim.jit(f"r-{len(path)}", "self-hosted", "gpu", path=path)
        number = made["runner"]["id"]
        taken = {"name": made["runner"]["name"], "runner_group_id": 1, "labels": ["x"]}
        jit = f"{path}/actions/runners/generate-jitconfig"
        assert await sim.refused("POST", jit, taken) == 409
        assert await sim.refused("POST", jit, {"name": "x", "labels": ["x"]}) == 422
        assert await sim.refused("POST", jit, taken | {"runner_group_id": 77}) == 404
        await sim.call("GET", f"{path}/actions/runners?per_page=1")
        await sim.call("GET", f"{path}/actions/runners/{number}")
        await sim.call("POST", f"{path}/actions/runners/registration-token")
        await sim.call("POST", f"{path}/actions/runners/remove-token")
        await sim.call("DELETE", f"{path}/actions/runners/{number}")
        assert await sim.refused("GET", f"{path}/actions/runners/{number}") == 404
    for path in ("/orgs/acme", "/enterprises/big"):
        groups = f"{path}/actions/runner-groups"
        number = (await sim.call("POST", groups, {"name": "special"}))["id"]
        await sim.call("GET", groups)
        await sim.call("GET", f"{groups}/{number}")
        await sim.call("GET", f"{groups}/{number}/runners")
        await sim.call("DELETE", f"{groups}/{number}")


async def the_runs(sim: Sim) -> None:
    made = await sim.jit("busy")
    [job] = await sim.order(workflow={"text": "on: push"})
    runner = await sim.runner(made["encoded_jit_config"])
    await runner.message()
    number = made["runner"]["id"]
    assert await sim.refused("DELETE", f"{ACTIONS}/runners/{number}") == 422
    await runner.say(job, "steps", {"number": 1, "name": "make", "status": "in_progress"})
    await sim.call("GET", f"{ACTIONS}/jobs/{job}")
    await runner.finish(job, "failure")
    run = (await sim.job(job))["run_id"]
    workflows = await sim.call("GET", f"{ACTIONS}/workflows")
    workflow = workflows["workflows"][0]["id"]
    await sim.call("GET", f"{ACTIONS}/workflows/{workflow}")
    await sim.call("GET", f"{ACTIONS}/workflows/{workflow}/runs")
    await sim.call("GET", f"{ACTIONS}/runs?status=completed")
    await sim.call("GET", f"{ACTIONS}/runs/{run}")
    assert (await sim.client.get(f"{ACTIONS}/jobs/{job}/logs")).status_code == 302
    assert await sim.refused("POST", f"{ACTIONS}/runs/{run}/cancel") == 409
    await sim.call("POST", f"{ACTIONS}/runs/{run}/rerun-failed-jobs")
    jobs = await sim.call("GET", f"{ACTIONS}/runs/{run}/jobs")
    await sim.call("POST", f"{ACTIONS}/runs/{run}/force-cancel")
    await sim.call("POST", f"{ACTIONS}/jobs/{jobs['jobs'][0]['id']}/rerun")
    await sim.call("POST", f"{ACTIONS}/runs/{run}/cancel")
    await sim.call("POST", f"{ACTIONS}/runs/{run}/rerun")
    assert await sim.refused("POST", f"{ACTIONS}/runs/{run}/rerun") == 403


async def the_hooks(sim: Sim) -> None:
    new = {"config": {"url": HOOK, "secret": "s"}, "events": ["workflow_job"]}
    for path in (REPO, "/orgs/acme"):
        number = (await sim.call("POST", f"{path}/hooks", new))["id"]
        one = f"{path}/hooks/{number}"
        await sim.order()
        await wait_all_tasks_blocked()
        await sim.call("GET", f"{path}/hooks")
        await sim.call("GET", one)
        await sim.call("POST", f"{one}/pings")
        await deliveries(sim, one)
        await sim.call("DELETE", one)
    assert await sim.refused("POST", f"{REPO}/hooks", {"config": {"url": "ftp://x"}}) == 422


async def deliveries(sim: Sim, one: str, **headers: str) -> None:
    found = await sim.call("GET", f"{one}/deliveries?per_page=1", **headers)
    delivery = found[0]["id"]
    await sim.call("GET", f"{one}/deliveries/{delivery}", **headers)
    await sim.call("POST", f"{one}/deliveries/{delivery}/attempts", **headers)


async def the_app(sim: Sim) -> None:
    app = await sim.call("POST", "/_sim/apps", {"owner": "acme", "webhook": {"url": HOOK}})
    installed = {"app_id": app["id"], "account": "acme"}
    number = (await sim.call("POST", "/_sim/installations", installed))["id"]
    now = int(sim.state.core.now())
    claims = {"iss": str(app["id"]), "iat": now - 60, "exp": now + 540}
    token = jwt.encode(claims, app["private_key"], algorithm="RS256")
    as_app = {"authorization": f"Bearer {token}"}
    for path in ("/app", "/app/installations", f"/app/installations/{number}"):
        await sim.call("GET", path, **as_app)
    for path in (f"{REPO}/installation", "/orgs/acme/installation", "/users/acme/installation"):
        await sim.call("GET", path, **as_app)
    made = await sim.call("POST", f"/app/installations/{number}/access_tokens", **as_app)
    as_installation = {"authorization": f"token {made['token']}"}
    await sim.call("GET", "/installation/repositories", **as_installation)
    assert await sim.refused("GET", "/app", **as_installation) == 401
    await sim.order()
    await wait_all_tasks_blocked()
    await deliveries(sim, "/app/hook", **as_app)


async def test_every_route_answers_as_described(sim: Sim, autojump_clock: MockClock) -> None:
    await everything(sim)
    [watcher] = sim.github.site.watchers
    assert isinstance(watcher, Watcher)
    routes = [route for module in (apps, hooks, places, runners, runs) for route in module.ROUTES]
    good = {name for name, status in watcher.seen if status < 400}
    assert {route.name for route in routes} - good == set()


async def test_all_that_a_cluster_is_answered_is_as_described(
    node_modules: Path, autojump_clock: MockClock
) -> None:
    watcher = Watcher(node_modules)
    plan = FaultPlan(
        seed=4,
        rest=RestFaults(lost=0.05, forbidden=0.1, too_many=0.1, retry_after=1),
        webhooks=WebhookFaults(dropped=0.5, reordered=1.0),
        runners=RunnerFaults(crosswise=1.0, ghost=0.1),
    )
    async with circle(plan) as at:
        at.github.site.watchers.append(watcher)
        async with at.life():
            for job in [at.order("build 5s") for _ in range(30)][::5]:
                await trio.sleep(1)
                at.cancel(job)
            await at.until_completed()
    assert watcher.objections == [], "\n".join(watcher.objections)
    assert {status for _, status in watcher.seen} >= {200, 201, 204, 403, 429}


async def test_every_webhook_is_as_described(
    sim: Sim, node_modules: Path, autojump_clock: MockClock
) -> None:
    gated = {"name": "deploy", "labels": ["self-hosted"], "gate": "waiting"}
    await sim.order(jobs=[gated])
    await sim.order(jobs=[gated | {"gate": "queued"}])
    await the_runs(sim)
    await wait_all_tasks_blocked()
    found: dict[tuple[str, str], list[str]] = {}
    for each in sim.hooked.received:
        objections = description(node_modules).webhook_objections(each.what[0], each.json)
        found.setdefault(each.what, []).extend(objections)
    assert {what for what, objections in found.items() if objections} == set(), found
    assert set(found) == {
        ("workflow_run", "requested"),
        ("workflow_run", "in_progress"),
        ("workflow_run", "completed"),
        ("workflow_job", "waiting"),
        ("workflow_job", "queued"),
        ("workflow_job", "in_progress"),
        ("workflow_job", "completed"),
    }


async def test_what_is_not_as_described_is_seen(
    node_modules: Path, autojump_clock: MockClock
) -> None:
    found: Any = description(node_modules).objections("GET", "/repos/{o}/{r}", 200, {"id": "x"})
    assert any("'x' is not of type 'integer'" in each for each in found)
    assert any("'full_name' is a required property" in each for each in found)
