"""Clients that know nothing of us work against the simulated GitHub: gidgethub and Octokit."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from gidgethub import HTTPException, RateLimitExceeded, apps
from gidgethub.httpx import GitHubAPI
from gidgethub.sansio import Event

from runnerhub.sim.github.serving import SimGitHub, serve_sim_github
from tests.contract.github.description import Watcher

SECRET = "s3cret"


@pytest.fixture
async def served(node_modules: Path) -> AsyncIterator[SimGitHub]:
    """A simulated GitHub over TCP with the repository acme/web and 5 runners."""
    watcher = Watcher(node_modules)
    async with serve_sim_github() as github:
        scope = github.state.places.add_repository("acme/web")
        for number in range(5):
            where = github.state.places.scope("repo", scope.full_name)
            github.state.fleet.add(where, f"r{number}", ["self-hosted"])
        github.site.watchers.append(watcher)
        with trio.fail_after(60):
            yield github
    assert watcher.objections == []


@pytest.fixture
async def gh(served: SimGitHub) -> AsyncIterator[GitHubAPI]:
    """Gidgethub as a user."""
    async with httpx.AsyncClient() as client:
        yield GitHubAPI(client, "tests", oauth_token=served.token, base_url=served.url)


async def test_gidgethub_reads_pages_and_registers(served: SimGitHub, gh: GitHubAPI) -> None:
    path = "/repos/acme/web/actions/runners"
    found = [
        runner["name"] async for runner in gh.getiter(f"{path}?per_page=2", iterable_key="runners")
    ]
    assert found == [f"r{number}" for number in range(5)]
    body = {"name": "new", "runner_group_id": 1, "labels": ["x"]}
    made = await gh.post(f"{path}/generate-jitconfig", data=body)
    assert made["encoded_jit_config"]
    await gh.delete(f"{path}/{made['runner']['id']}")
    assert gh.rate_limit is not None
    assert gh.rate_limit.remaining < gh.rate_limit.limit
    with pytest.raises(HTTPException) as caught:
        await gh.getitem("/repos/acme/none")
    assert caught.value.status_code == 404


async def test_gidgethub_sees_the_limit(served: SimGitHub, gh: GitHubAPI) -> None:
    served.state.limits.overrides["*", "core"] = 1
    await gh.getitem("/repos/acme/web")
    with pytest.raises(RateLimitExceeded):
        await gh.getitem("/repos/acme/web")


async def test_gidgethub_works_as_an_app(served: SimGitHub, gh: GitHubAPI) -> None:
    app, key = served.state.access.add_app("hub", "acme")
    installation = served.state.access.install(app, "acme")
    made = await apps.get_installation_access_token(
        gh, installation_id=str(installation.id), app_id=str(app.id), private_key=key
    )
    token = made["token"]
    found = await gh.getitem("/installation/repositories", oauth_token=token)
    assert [each["full_name"] for each in found["repositories"]] == ["acme/web"]


async def test_gidgethub_verifies_a_webhook(served: SimGitHub, gh: GitHubAPI) -> None:
    made = await gh.post(
        "/repos/acme/web/hooks",
        data={"config": {"url": "http://127.0.0.1:9/", "secret": SECRET}, "events": ["push"]},
    )
    path = f"/repos/acme/web/hooks/{made['id']}/deliveries"
    [listed] = await gh.getitem(path)
    delivery = served.state.hooks.deliveries[listed["id"]]
    headers = {name.lower(): value for name, value in delivery.headers().items()}
    event = Event.from_http(headers, delivery.body, secret=SECRET)
    assert event.event == "ping"
    assert event.delivery_id == listed["guid"]


OCTOKIT = """
import { Octokit } from "@octokit/core";
import { throttling } from "@octokit/plugin-throttling";
import { paginateRest } from "@octokit/plugin-paginate-rest";
import { createAppAuth } from "@octokit/auth-app";
const input = JSON.parse(process.env.INPUT);
const seen = [];
const throttle = {
  onRateLimit: (after, options) => { seen.push(["primary", after]); return false; },
  onSecondaryRateLimit: (after, options, octokit, retries) => {
    seen.push(["secondary", after]);
    return retries < 1;
  },
};
const Client = Octokit.plugin(throttling, paginateRest);
const user = new Client({ baseUrl: input.url, auth: input.token, throttle });
const runners = await user.paginate("GET /repos/{owner}/{repo}/actions/runners",
  { owner: "acme", repo: "web", per_page: 2 });
const made = await user.request("POST /repos/{owner}/{repo}/actions/runners/generate-jitconfig",
  { owner: "acme", repo: "web", name: "octo", runner_group_id: 1, labels: ["x"] });
await user.request("DELETE /repos/{owner}/{repo}/actions/runners/{runner_id}",
  { owner: "acme", repo: "web", runner_id: made.data.runner.id });
await fetch(input.url + "/_sim/faults/next", { method: "POST",
  body: JSON.stringify({ match: "GET /repos/{owner}/{repo}", kind: "too_many" }) });
const retried = await user.request("GET /repos/{owner}/{repo}", { owner: "acme", repo: "web" });
const app = new Client({ baseUrl: input.url, throttle, authStrategy: createAppAuth,
  auth: { appId: input.appId, privateKey: input.key, installationId: input.installation } });
const covered = await app.request("GET /installation/repositories");
await fetch(input.url + "/_sim/limits", { method: "PUT", body: JSON.stringify({ limit: 0 }) });
let refused = null;
try { await user.request("GET /meta"); } catch (error) { refused = error.status; }
console.log(JSON.stringify({
  runners: runners.map((each) => each.name), made: made.status, retried: retried.status,
  covered: covered.data.repositories.map((each) => each.full_name), refused, seen,
}));
"""


async def test_octokit_with_its_throttling_plugin(
    served: SimGitHub, node_modules: Path, tmp_path: Path
) -> None:
    app, key = served.state.access.add_app("hub", "acme")
    installation = served.state.access.install(app, "acme")
    served.state.core.faults.plan.rest.retry_after = 1
    (tmp_path / "client.mjs").write_text(OCTOKIT)
    (tmp_path / "node_modules").symlink_to(node_modules)
    given = {
        "url": served.url,
        "token": served.token,
        "appId": app.id,
        "key": key,
        "installation": installation.id,
    }
    done = await trio.run_process(
        ["node", str(tmp_path / "client.mjs")],
        capture_stdout=True,
        capture_stderr=True,
        env=os.environ | {"INPUT": json.dumps(given)},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["runners"] == [f"r{number}" for number in range(5)]
    assert (found["made"], found["retried"]) == (201, 200)
    assert found["covered"] == ["acme/web"]
    assert found["refused"] == 403
    assert [kind for kind, _ in found["seen"]] == ["secondary", "primary"]
