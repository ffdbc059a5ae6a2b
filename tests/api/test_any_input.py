"""Whatever is sent: an answer that names the mistake, never one of ours, and no half of a job."""

import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import asdict

import httpx
import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runnerhub.api.problems import Problem
from runnerhub.api.reading import read_job
from runnerhub.model.pool import Pool
from tests.api.served import PATIENCE, served, token
from tests.api.strategies import FULL, bodies, names, queries, text_of

ANY = Pool("any", frozenset())
ROUTES = [
    "/api/jobs",
    "/api/dead-letters",
    "/api/hosts",
    "/api/tree",
    "/api/metrics",
    "/api/health",
]
JOB_ROUTES = ["", "/status", "/logs", "/events"]


@settings(max_examples=300)
@given(raw=bodies)
@example(raw=text_of(FULL, escaped=True))
def test_a_body_is_a_job_or_a_problem(raw: bytes) -> None:
    try:
        spec = read_job(raw, lambda _: ANY)
    except Problem as refused:
        problem = refused
    else:
        stored = json.dumps(asdict(spec), ensure_ascii=False, allow_nan=False)
        stored.encode()  # it can be stored: no lone surrogates
        assert "\\u0000" not in stored  # and no NUL
        assert read_job(raw, lambda _: ANY) == spec
        return
    assert problem.status in {400, 422}
    assert problem.detail
    answer = json.dumps({"detail": problem.detail, "errors": list(problem.errors)})
    assert len(answer) < 64 * 1024


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client of a real server that runs, on real time, in a thread of its own."""
    ready: queue.Queue[tuple[str, trio.lowlevel.TrioToken, trio.Event]] = queue.Queue()

    async def main() -> None:
        leave = trio.Event()
        async with served() as api:
            ready.put((api.url, trio.lowlevel.current_trio_token(), leave))
            await leave.wait()

    thread = threading.Thread(target=trio.run, args=(main,), name="server")
    thread.start()
    url, there, leave = ready.get(timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {token()}"}
    with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as opened:
        yield opened
    there.run_sync_soon(leave.set)
    thread.join(PATIENCE)
    assert not thread.is_alive()


def all_jobs(client: httpx.Client) -> list[str]:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/api/jobs", params={"limit": "1000", **cursor}).json()
        found += [job["id"] for job in page["jobs"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def test_any_body_over_the_wire(client: httpx.Client) -> None:
    made: set[str] = set()

    @settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
    @given(raw=bodies)
    @example(raw=text_of(FULL, escaped=True))
    def send(raw: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        answer = client.post("/api/jobs/delegate", content=raw, headers=headers)
        assert answer.status_code in {200, 201, 400, 409, 422}, answer.text
        if answer.status_code in {200, 201}:
            made.add(answer.json()["id"])
        else:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code

    send()
    assert made
    assert set(all_jobs(client)) == made


def test_any_query_and_any_name_over_the_wire(client: httpx.Client) -> None:
    @settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
    @given(
        path=st.sampled_from(ROUTES)
        | st.builds("/api/jobs/{}{}".format, names, st.sampled_from(JOB_ROUTES)),
        query=queries,
    )
    def ask(path: str, query: str) -> None:
        target = client.base_url.copy_with(raw_path=f"{path}?{query}".encode())
        answer = client.get(target)
        assert answer.status_code in {200, 400, 404}, (path, query, answer.text)
        if answer.status_code != 200:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert len(answer.content) < 64 * 1024

    ask()
