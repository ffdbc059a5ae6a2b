"""Rate limits, ETags, pages, permissions, and faults of the REST API."""

import httpx
import jwt
import pytest
import trio
from trio.testing import MockClock

from runnerhub.sim.github.faults import FaultPlan, RestFaults
from tests.unit.sim_github.sut import REPO, Sim, a_sim

RUNNERS = f"{REPO}/actions/runners"


async def limit(sim: Sim, number: int) -> None:
    await sim.call("PUT", "/_sim/limits", {"limit": number})


async def test_the_primary_limit_is_told_kept_and_reset(
    sim: Sim, autojump_clock: MockClock
) -> None:
    await limit(sim, 3)
    for left in (2, 1, 0):
        answer = await sim.client.get(REPO)
        assert answer.headers["x-ratelimit-remaining"] == str(left)
        assert answer.headers["x-ratelimit-resource"] == "core"
    refused = await sim.client.get(REPO)
    assert refused.status_code == 403
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert "rate limit" in refused.json()["message"]
    reset = int(refused.headers["x-ratelimit-reset"])
    await trio.sleep(reset - sim.state.core.now() + 0.1)
    assert (await sim.client.get(REPO)).status_code == 200
    seen = await sim.call("GET", "/_sim/violations")
    assert [each["which"] for each in seen["violations"]] == ["primary"]


async def test_the_overview_is_free_and_true(sim: Sim, autojump_clock: MockClock) -> None:
    await sim.client.get(REPO)
    await sim.jit("r1")
    for _ in range(2):
        found = (await sim.call("GET", "/rate_limit"))["resources"]
        assert (found["core"]["used"], found["core"]["limit"]) == (1, 5000)
        assert found["actions_runner_registration"]["used"] == 1


async def test_what_has_not_changed_costs_nothing(sim: Sim, autojump_clock: MockClock) -> None:
    etag = (await sim.client.get(RUNNERS)).headers["etag"]
    for _ in range(5):
        again = await sim.client.get(RUNNERS, headers={"if-none-match": etag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["x-ratelimit-used"] == "1"
    await sim.jit("r1")
    changed = await sim.client.get(RUNNERS, headers={"if-none-match": etag})
    assert changed.status_code == 200
    assert changed.headers["x-ratelimit-used"] == "2"


async def test_an_installation_has_more_with_more_repositories(
    sim: Sim, autojump_clock: MockClock
) -> None:
    access, places = sim.state.access, sim.state.places
    app, _ = access.add_app("hub", "acme")
    token, _ = access.issue(access.install(app, "acme"), None)
    for count, most in ((20, 5000), (22, 5100), (400, 12_500)):
        for number in range(count - 1):
            places.add_repository(f"acme/r{number}")
        answer = await sim.client.get(REPO, headers={"authorization": f"token {token}"})
        assert answer.headers["x-ratelimit-limit"] == str(most)


async def test_points_a_minute_are_limited_and_silence_is_asked_for(
    sim: Sim, autojump_clock: MockClock
) -> None:
    answers = [await sim.client.get(REPO) for _ in range(901)]
    assert all(answer.is_success for answer in answers[:900])
    refused = answers[900]
    assert refused.status_code == 403
    assert refused.headers["retry-after"] == "60"
    assert "secondary rate limit" in refused.json()["message"]
    await trio.sleep(30)
    assert (await sim.client.get(REPO)).headers["retry-after"] == "30"
    await trio.sleep(31)
    assert (await sim.client.get(REPO)).is_success
    assert {each.which for each in sim.state.limits.violations} == {"points", "retry-after"}


async def test_a_hundred_at_once_are_enough(autojump_clock: MockClock) -> None:
    plan = FaultPlan(rest=RestFaults(slow=1.0, slow_seconds=1.0))
    async with a_sim(plan) as sim:
        found: list[int] = []

        async def get() -> None:
            found.append((await sim.client.get(REPO)).status_code)

        async with trio.open_nursery() as nursery:
            for _ in range(101):
                nursery.start_soon(get)
        assert (found.count(200), found.count(403)) == (100, 1)


async def test_content_and_registrations_are_limited(sim: Sim, autojump_clock: MockClock) -> None:
    await sim.call("PUT", "/_sim/rules", {"content_a_minute": 2, "status": 429})
    body = {"config": {"url": "http://hub.test/"}}
    for _ in range(2):
        await sim.call("POST", f"{REPO}/hooks", body)
    assert await sim.refused("POST", f"{REPO}/hooks", body) == 429
    await trio.sleep(61)
    await sim.call("PUT", "/_sim/rules", {"registrations_in_five_minutes": 2})
    await sim.jit("r1")
    await sim.jit("r2")
    jit = {"name": "r3", "runner_group_id": 1, "labels": ["x"]}
    assert await sim.refused("POST", f"{RUNNERS}/generate-jitconfig", jit) == 429


async def test_lists_are_paged_with_links(sim: Sim, autojump_clock: MockClock) -> None:
    for number in range(7):
        await sim.jit(f"r{number}")
    seen: list[str] = []
    url = f"{RUNNERS}?per_page=3"
    while url:
        answer = await sim.client.get(url)
        assert answer.json()["total_count"] == 7
        seen += [each["name"] for each in answer.json()["runners"]]
        url = answer.links.get("next", {}).get("url", "")
    assert seen == [f"r{number}" for number in range(7)]
    named = await sim.call("GET", f"{RUNNERS}?name=r3")
    assert named["total_count"] == 1


@pytest.mark.parametrize(
    ("held", "method", "path", "status"),
    [
        ({"permissions": {"metadata": "read"}}, "GET", RUNNERS, 403),
        ({"permissions": {"administration": "read"}}, "GET", RUNNERS, 200),
        ({"permissions": {"administration": "read"}}, "POST", f"{RUNNERS}/remove-token", 403),
        ({"permissions": {"administration": "write"}}, "POST", f"{RUNNERS}/remove-token", 201),
        ({"scopes": ["repo"]}, "GET", RUNNERS, 200),
        ({"scopes": ["repo"]}, "GET", "/orgs/acme/actions/runners", 403),
        ({"scopes": ["admin:org"]}, "GET", "/orgs/acme/actions/runners", 200),
        ({"scopes": []}, "GET", REPO, 404),
    ],
)
async def test_a_missing_permission_is_refused(
    sim: Sim,
    autojump_clock: MockClock,
    held: dict[str, object],
    method: str,
    path: str,
    status: int,
) -> None:
    token = (await sim.call("POST", "/_sim/tokens", {"login": "me", **held}))["token"]
    answer = await sim.client.request(method, path, headers={"authorization": f"token {token}"})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["message"].startswith("Resource not accessible")
        assert answer.headers["x-accepted-github-permissions"]


async def test_an_app_signs_and_its_tokens_expire(sim: Sim, autojump_clock: MockClock) -> None:
    app, key = sim.state.access.add_app("hub", "acme", {"administration": "write"})
    _, wrong_key = sim.state.access.add_app("other", "acme")
    number = sim.state.access.install(app, "acme").id
    path = f"/app/installations/{number}/access_tokens"

    def signed(with_key: str, lasts: int) -> dict[str, str]:
        now = int(sim.state.core.now())
        claims = {"iss": str(app.id), "iat": now - 60, "exp": now + lasts}
        token = jwt.encode(claims, with_key, algorithm="RS256")
        return {"authorization": f"Bearer {token}"}

    assert await sim.refused("POST", path, **signed(wrong_key, 540)) == 401
    assert await sim.refused("POST", path, **signed(key, 5400)) == 401
    assert await sim.refused("POST", path, **signed(key, -1)) == 401
    too_much = {"permissions": {"contents": "write"}}
    assert await sim.refused("POST", path, too_much, **signed(key, 540)) == 422
    made = await sim.call("POST", path, **signed(key, 540))
    headers = {"authorization": f"token {made['token']}"}
    await sim.call("GET", RUNNERS, **headers)
    sim.state.places.add_repository("other/api")
    assert await sim.refused("GET", "/repos/other/api/actions/runners", **headers) == 404
    await trio.sleep(3601)
    assert await sim.refused("GET", RUNNERS, **headers) == 401


async def test_a_lost_answer_has_had_its_effect(sim: Sim, autojump_clock: MockClock) -> None:
    order = {"match": "generate-jitconfig", "kind": "lost"}
    await sim.call("POST", "/_sim/faults/next", order)
    with pytest.raises(httpx.ReadError):
        await sim.jit("r1")
    assert await sim.runners() == ["r1"]
    jit = {"name": "r1", "runner_group_id": 1, "labels": ["x"]}
    assert await sim.refused("POST", f"{RUNNERS}/generate-jitconfig", jit) == 409


async def test_ordered_faults_strike_so_often_and_no_more(
    sim: Sim, autojump_clock: MockClock
) -> None:
    await sim.call("POST", "/_sim/faults/next", {"match": "GET", "kind": "error", "count": 2})
    await sim.call("POST", "/_sim/faults/next", {"match": "GET", "kind": "too_many"})
    found = [await sim.client.get(REPO) for _ in range(4)]
    assert [answer.status_code for answer in found] == [502, 502, 429, 200]
    assert found[2].headers["retry-after"] == "60"


async def test_faults_by_chance_are_the_same_for_the_same_seed(autojump_clock: MockClock) -> None:
    plan = FaultPlan(seed=4, rest=RestFaults(error=0.1, forbidden=0.1, too_many=0.1))
    seen = []
    for _ in range(2):
        async with a_sim(plan) as sim:
            seen.append([(await sim.client.get(REPO)).status_code for _ in range(100)])
    assert seen[0] == seen[1]
    assert set(seen[0]) == {200, 403, 429, 502}


async def test_nobody_has_sixty_calls_and_sees_what_is_public(
    sim: Sim, autojump_clock: MockClock
) -> None:
    sim.state.places.add_repository("acme/open", private=False)
    async with httpx.AsyncClient(transport=sim.github.transport, base_url=sim.github.url) as nobody:
        answer = await nobody.get("/repos/acme/open")
        assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (200, "60")
        assert (await nobody.get(REPO)).status_code == 404
        assert (await nobody.get(RUNNERS)).status_code == 401
