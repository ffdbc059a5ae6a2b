"""The API over PostgreSQL and Redis: a whole node but for its engine, spoken to over HTTP."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from runnerhub.config import HostSettings, Settings
from runnerhub.model.ids import JobIds
from runnerhub.runtime import Bridge, run_guest
from runnerhub.service.wiring import Node, build_node
from runnerhub.sim.engine import SimEngine
from tests.api.conftest import body
from tests.api.served import PATIENCE, free_port, until_open
from tests.contract.harness import soon

pytestmark = pytest.mark.real

WAITS: Any = {"labels": ["nowhere"]}  # no host has it, so such a job stays queued


class Api:
    """A client, and what stands behind the API."""

    def __init__(self, client: httpx.AsyncClient, node: Node, engine: SimEngine) -> None:
        self.client, self.node, self.engine = client, node, engine

    async def post(self, path: str, json: Any = None) -> httpx.Response:
        return await self.client.post(path, json=json)

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def delegate(self, number: int | str = 1, **more: Any) -> str:
        answer = await self.post("/api/jobs/delegate", body(number, **more))
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["id"])

    async def finished(self, job_id: str) -> Any:
        async def is_finished() -> bool:
            job = await self.get(f"/api/jobs/{job_id}/status")
            return bool(job["phase"] == "finished")

        await soon(is_finished)
        return await self.get(f"/api/jobs/{job_id}")


Case = Callable[[Api], Awaitable[None]]
Run = Callable[[Case], None]


@pytest.fixture
def run(fresh_database: str, redis_url: str, tmp_path: Path) -> Run:
    """A function that runs a case against a node of its own."""

    def run_case(case: Case) -> None:
        run_guest(_with_node, case, fresh_database, redis_url, tmp_path)

    return run_case


async def _with_node(
    bridge: Bridge, case: Case, database_url: str, redis_url: str, data_dir: Path
) -> None:
    port = free_port()
    settings = Settings(
        bind=f"127.0.0.1:{port}",
        database_url=database_url,
        redis_url=redis_url,
        data_dir=data_dir,
        docker_hosts=(HostSettings(name="h1", url="sim://h1"),),
        max_attempts=1,
    )
    engine = SimEngine("h1")
    node = build_node(bridge, settings, data_dir, "node-1", {"h1": engine})
    async with trio.open_nursery() as nursery:
        await nursery.start(node.root.run)
        await until_open(port)
        headers = {"Authorization": f"Bearer {node.tokens.issue('operator', 'tester', 1)}"}
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE) as client:
            with trio.fail_after(60):
                await case(Api(client, node, engine))
        node.root.stop()


def test_the_same_body_is_one_job_and_another_a_conflict(run: Run) -> None:
    async def case(api: Api) -> None:
        codes: list[int] = []

        async def delegate(number: int, priority: int) -> None:
            answer = await api.post("/api/jobs/delegate", body(number, **WAITS, priority=priority))
            codes.append(answer.status_code)

        for priority in (1, 1, 2):
            await delegate(1, priority)
        assert codes == [201, 200, 409]
        codes.clear()
        async with trio.open_nursery() as nursery:  # at once: one row decides
            for n in range(12):
                nursery.start_soon(delegate, 2, n % 2)
        assert sorted(codes) == [200] * 5 + [201] + [409] * 6
        assert len((await api.get("/api/jobs"))["jobs"]) == 2

    run(case)


STRANGE = "é 💩 \u202e \x7f \\u0000 '; DROP TABLE jobs; -- %s $1 \ufeff"


def test_odd_words_come_back_as_they_were(run: Run) -> None:
    async def case(api: Api) -> None:
        execution = {"command": [STRANGE], "env": {STRANGE: STRANGE}}
        job_id = await api.delegate(STRANGE, repository=STRANGE, execution=execution, **WAITS)
        job = await api.get(f"/api/jobs/{job_id}")
        assert (job["external_id"], job["repository"]) == (f"job-{STRANGE}", STRANGE)
        (found,) = (await api.get("/api/jobs", repository=STRANGE))["jobs"]
        assert found == job
        again = await api.delegate(STRANGE, repository=STRANGE, execution=execution, **WAITS)
        assert again == job_id

    run(case)


def test_a_list_is_read_page_by_page(run: Run) -> None:
    async def case(api: Api) -> None:
        made = [await api.delegate(n, repository=f"acme/{n % 2}", **WAITS) for n in range(7)]
        found: list[str] = []
        page = await api.get("/api/jobs", limit=3)
        while True:
            found += [job["id"] for job in page["jobs"]]
            if page["next_cursor"] is None:
                break
            # A job that comes meanwhile moves no page.
            await api.delegate(f"late-{len(found)}", **WAITS)
            page = await api.get("/api/jobs", limit=3, cursor=page["next_cursor"])
        assert found == made[::-1]
        odd = await api.get("/api/jobs", repository="acme/1", status="queued")
        assert [job["id"] for job in odd["jobs"]] == made[1::2][::-1]
        assert (await api.get("/api/jobs", status="completed"))["jobs"] == []
        for cursor in ("x", "", "\0", made[0], f"{made[0]}x", "💩"):
            answer = await api.client.get("/api/jobs", params={"cursor": cursor})
            assert answer.status_code in {200, 400}, answer.text
            if answer.status_code == 200:  # an id of a job may be a place in the list
                assert cursor == made[0]

    run(case)


def test_a_job_leaves_a_log_and_a_history(run: Run) -> None:
    async def case(api: Api) -> None:
        job_id = await api.delegate(execution={"command": ["sh", "-c", "echo hello; exit 3"]})
        log = await api.client.get(f"/api/jobs/{job_id}/logs?follow=true")
        assert "hello" in log.text
        job = await api.finished(job_id)
        assert (job["status"], job["conclusion"], job["exit_code"]) == ("completed", "failure", 3)
        assert all(job["timestamps"].values())
        again = await api.client.get(f"/api/jobs/{job_id}/logs")
        assert again.text == log.text
        events = (await api.get(f"/api/jobs/{job_id}/events"))["events"]
        assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})
        assert events[0]["kind"] == "accepted"
        assert sum(event["kind"] == "concluded" for event in events) == 1
        assert (await api.post(f"/api/jobs/{job_id}/cancel")).status_code == 409

    run(case)


def test_a_job_is_cancelled_where_it_waits_and_where_it_runs(run: Run) -> None:
    async def case(api: Api) -> None:
        waiting = await api.delegate("waits", **WAITS)
        running = await api.delegate("runs", execution={"command": ["sh", "-c", "sleep 600"]})

        async def is_running() -> bool:
            return bool((await api.get(f"/api/jobs/{running}"))["phase"] == "running")

        await soon(is_running)
        for job_id in (waiting, running):
            assert (await api.post(f"/api/jobs/{job_id}/cancel")).status_code == 202
            assert (await api.finished(job_id))["conclusion"] == "cancelled"
            assert (await api.post(f"/api/jobs/{job_id}/cancel")).status_code == 409
        assert not api.engine.leftovers()

    run(case)


def test_a_dead_letter_is_listed_and_made_again(run: Run) -> None:
    async def case(api: Api) -> None:
        job_id = await api.delegate(execution={"command": ["sh", "-c", "sleep 600"]})

        async def is_running() -> bool:
            return bool((await api.get(f"/api/jobs/{job_id}"))["phase"] == "running")

        await soon(is_running)
        api.engine.crash(down_seconds=0.2)
        job = await api.finished(job_id)
        assert (job["dead_letter"], job["reason"]) == (True, "engine_restart")
        letters = (await api.get("/api/dead-letters"))["jobs"]
        assert [letter["id"] for letter in letters] == [job_id]
        first = await api.post(f"/api/dead-letters/{job_id}/requeue")
        again = await api.post(f"/api/dead-letters/{job_id}/requeue")
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["id"] == again.json()["id"]
        assert first.json()["retry_of"] == job_id
        await api.post(f"/api/jobs/{first.json()['id']}/cancel")
        await api.finished(first.json()["id"])

    run(case)


def test_what_is_not_there_is_not_found(run: Run) -> None:
    async def case(api: Api) -> None:
        names = [JobIds().new(0), "job_" + "z" * 26, "%00", "x"]
        for name in names:
            for path in ("", "/status", "/logs", "/events"):
                assert (await api.client.get(f"/api/jobs/{name}{path}")).status_code == 404
            assert (await api.post(f"/api/jobs/{name}/cancel")).status_code == 404
            assert (await api.post(f"/api/dead-letters/{name}/requeue")).status_code == 404
        waiting = await api.delegate(**WAITS)
        assert (await api.post(f"/api/dead-letters/{waiting}/requeue")).status_code == 404

    run(case)


def test_readiness_and_hosts_are_of_this_node(run: Run) -> None:
    async def case(api: Api) -> None:
        ready = await api.get("/api/health/ready")
        state = {each["name"]: each["ok"] for each in ready["dependencies"]}
        assert state["postgresql"]
        assert state["redis"]
        drained = await api.post("/api/hosts/h1/drain")
        assert drained.status_code == 200
        assert [host["name"] for host in (await api.get("/api/hosts"))["hosts"]] == ["h1"]
        assert await api.node.world.ledger.drained_hosts() == {"h1"}
        assert (await api.post("/api/hosts/h1/undrain")).status_code == 200
        assert await api.node.world.ledger.drained_hosts() == frozenset()

    run(case)
