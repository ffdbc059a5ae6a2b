"""GitHub's lists of runners, wherever ours may be."""

from collections.abc import Sequence

from runnerhub.model.budget import Priority
from runnerhub.model.fleet import Fleet, Listed
from runnerhub.ports.github import GitHub, Request
from runnerhub.ports.github_jobs import GitHubJobs

DAYS = 1.0
MOST_REPOSITORIES = 50


async def scopes_of(fleet: Fleet, jobs: GitHubJobs) -> Sequence[str]:
    """Return the scopes where runners of ours are, or lately were."""
    scopes = {runner.spec.execution.runner for runner in fleet.runners}
    found = dict.fromkeys(wish.scope for wish in scopes if wish is not None)
    for pool in fleet.pools:
        if pool.scope not in (None, "repository"):
            found[f"/{pool.scope}"] = None
    if any(pool.scope == "repository" for pool in fleet.pools):
        lately = await jobs.repositories(DAYS, limit=MOST_REPOSITORIES)
        found |= dict.fromkeys(f"/repos/{name}" for name in lately)
    return list(found)


async def list_runners(github: GitHub, scope: str) -> list[Listed]:
    """Return all runners of a scope, ours and others'. Raises as `GitHub.call`."""
    request = Request(
        "GET",
        f"{scope}/actions/runners",
        {"per_page": 100},
        kind="runners",
        priority=Priority.RECONCILE,
        cached=False,
    )
    return [
        Listed(str(each["name"]), each.get("status") == "online", bool(each.get("busy")))
        async for page in github.pages(request)
        for each in page.data["runners"]
    ]
