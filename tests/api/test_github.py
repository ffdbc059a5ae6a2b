"""What is kept of GitHub, as it is served."""

from datetime import timedelta
from typing import Any

import pytest

from runnerhub.model.github_sync import Kind, Thing, read_things
from runnerhub.model.webhook_job import WorkflowJob, moment
from runnerhub.ports.github_state import Look
from runnerhub.sim.github_state import MemoryGitHubState
from tests.api.conftest import Door
from tests.simulation.cluster import now

KINDS = [*Kind]
RUN = {
    "id": 7, "name": "ci", "workflow_id": 3, "run_number": 2, "run_attempt": 1, "event": "push",
    "status": "completed", "conclusion": "success", "head_branch": "main", "head_sha": "abc",
    "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:01:00Z", "html_url": "u",
}  # fmt: skip
JOB = WorkflowJob(
    70, "acme/web", "completed", ("linux",), "success", 7, 1, "build",
    started_at=moment("2026-01-01T00:00:10Z"),
)  # fmt: skip
RAW: dict[Kind, dict[str, Any]] = {
    Kind.REPOSITORIES: {"id": 1, "full_name": "acme/web", "owner": {"type": "Organization"}},
    Kind.WORKFLOWS: {"id": 3, "name": "ci", "path": ".github/workflows/ci.yml", "state": "active"},
    Kind.RUNNERS: {"id": 5, "name": "r", "status": "online", "labels": [{"name": "linux"}]},
    Kind.RUNS: RUN,
}


@pytest.fixture
async def state(door: Door) -> MemoryGitHubState:
    kept = MemoryGitHubState(now, lambda: [JOB])
    for kind, raw in RAW.items():
        await kept.keep(Look(kind, "acme/web"), read_things(kind, [raw], "acme/web"), since=None)
    door.life.world.github_state = kept
    return kept


@pytest.mark.parametrize("kind", KINDS)
async def test_without_github_it_says_so(door: Door, kind: Kind) -> None:
    answer = await (await door.get(f"/api/github/{kind}", "viewer")).get_json()
    assert answer == {str(kind): [], "next_cursor": None, "configured": False}


@pytest.mark.parametrize("kind", KINDS)
async def test_things_are_listed(door: Door, state: MemoryGitHubState, kind: Kind) -> None:
    answer = await (await door.get(f"/api/github/{kind}?repository=ACME/web", "viewer")).get_json()
    assert answer["configured"]
    (item,) = answer[str(kind)]
    assert item["id"] == RAW[kind]["id"]
    assert (seen_at := moment(item["seen_at"])) is not None
    assert timedelta(0) <= now() - seen_at < timedelta(minutes=1)
    assert item["scope" if kind is Kind.RUNNERS else "repository"] == "acme/web"
    nowhere = await (await door.get(f"/api/github/{kind}?repository=x", "viewer")).get_json()
    assert nowhere[str(kind)] == []


async def test_a_run_has_its_jobs(door: Door, state: MemoryGitHubState) -> None:
    answer = await (await door.get("/api/github/runs", "viewer")).get_json()
    (job,) = answer["runs"][0]["jobs"]
    assert (job["id"], job["labels"]) == (70, ["linux"])
    assert (job["started_at"], job["completed_at"]) == ("2026-01-01T00:00:10Z", None)


async def test_pages_follow_one_another(door: Door, state: MemoryGitHubState) -> None:
    more = [Thing(number, "acme/web", {**_data(), "name": "w"}) for number in range(10, 15)]
    await state.keep(Look(Kind.WORKFLOWS, "acme/web"), more, since=None)
    seen: list[int] = []
    query = "limit=4"
    while query:
        page = await (await door.get(f"/api/github/workflows?{query}")).get_json()
        seen += [item["id"] for item in page["workflows"]]
        cursor = page["next_cursor"]
        query = f"limit=4&cursor={cursor}" if cursor else ""
    assert seen == [14, 13, 12, 11, 10, 3]


@pytest.mark.parametrize(
    "query",
    [
        *("cursor=x", "cursor=", "cursor=%00", "cursor=MQ==", "cursor=" + "A" * 5000),
        *("limit=0", "limit=1001", "limit=x", "repository=%00", "surprise=1", "status=queued"),
    ],
    ids=lambda query: query[:20],
)
async def test_a_garbled_query_is_refused(door: Door, state: MemoryGitHubState, query: str) -> None:
    for kind in KINDS:
        answer = await door.get(f"/api/github/{kind}?{query}")
        assert answer.status_code == 400
        assert query.partition("=")[0] in (await answer.get_json())["detail"]


async def test_an_absent_ledger_is_503(door: Door, state: MemoryGitHubState) -> None:
    state.outage = True
    for kind in KINDS:
        assert (await door.get(f"/api/github/{kind}")).status_code == 503


async def test_health_tells_of_github(door: Door) -> None:
    ready = await (await door.get("/api/health/ready", "viewer")).get_json()
    (github,) = [each for each in ready["dependencies"] if each["name"] == "github"]
    assert github == {
        "name": "github",
        "ok": True,
        "detail": "GitHub is not configured",
        "required": False,
    }


def _data() -> dict[str, Any]:
    return dict(read_things(Kind.WORKFLOWS, [{"id": 1}], "acme/web")[0].data)
