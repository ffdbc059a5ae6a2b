"""Lists go on over pages, and say when there is more."""

import json
from typing import Any

import httpx
import pytest

from tests.unit.cli import JOB, run
from tests.unit.cli.conftest import Serve

ALL = 2500


def pages(request: httpx.Request) -> dict[str, Any]:
    """Answer as the node does, of many jobs; the cursor is where the next page begins."""
    at, limit = int(request.url.params.get("cursor", 0)), int(request.url.params["limit"])
    end = min(at + limit, ALL)
    jobs = [{**JOB, "id": f"job_{number}"} for number in range(at, end)]
    return {"jobs": jobs, "next_cursor": str(end) if end < ALL else None}


@pytest.mark.parametrize(
    ("options", "count", "asked"),
    [
        ((), 100, ["100"]),
        (("--limit", "7"), 7, ["7"]),
        (("--limit", "1200"), 1200, ["1000", "200"]),
        (("--all",), ALL, ["1000", "1000", "1000"]),
    ],
)
@pytest.mark.parametrize("command", ["jobs", "dead-letters"])
def test_as_many_as_are_wanted(
    api: Serve, command: str, options: tuple[str, ...], count: int, asked: list[str]
) -> None:
    seen = api({f"GET /api/{command}": pages})
    done = run(command, *options)
    assert done.exit_code == 0, done.exception
    assert len(done.stdout.splitlines()) == count + 1
    assert [request.url.params["limit"] for request in seen] == asked
    more = f"these are the newest {count}; --limit N or --all shows more"
    assert (more in done.stderr) is (count < ALL)


def test_programs_see_the_cursor(api: Serve) -> None:
    api({"GET /api/jobs": pages})
    done = run("jobs", "--limit", "3", "--json")
    assert json.loads(done.stdout)["next_cursor"] == "3"
    assert done.stderr == ""
    assert json.loads(run("jobs", "--all", "--json").stdout)["next_cursor"] is None


def test_filters_go_along_with_every_page(api: Serve) -> None:
    seen = api({"GET /api/jobs": pages})
    run("jobs", "--all", "--repository", "acme/web", "--status", "queued")
    wanted = {(r.url.params["repository"], r.url.params["status"]) for r in seen}
    assert wanted == {("acme/web", "queued")}


def test_into_a_pipe_nothing_is_cut(api: Serve) -> None:
    words = "a long explanation, " * 20
    api({"GET /api/jobs": {"jobs": [{**JOB, "explanation": words}], "next_cursor": None}})
    assert words.strip() in run("jobs").stdout
