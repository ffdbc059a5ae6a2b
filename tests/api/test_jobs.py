"""Reading, listing, cancelling and requeueing, with sound words and with garbage."""

import pytest
import trio

from tests.api.conftest import Door, body

STRANGE = ["%00", "a%2Fb", "x" * 5000, "%C3%A9", "%F0%9F%92%A9", "%ff", "..%2f..", "job_%00", "%20"]


@pytest.mark.parametrize("name", STRANGE, ids=lambda name: name[:10])
async def test_a_strange_id_is_not_found(door: Door, name: str) -> None:
    for rest in ("", "/status", "/logs", "/events"):
        assert (await door.get(f"/api/jobs/{name}{rest}")).status_code == 404
    for path in (f"jobs/{name}/cancel", f"dead-letters/{name}/requeue", f"hosts/{name}/drain"):
        assert (await door.post(f"/api/{path}")).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        *("cursor=x", "cursor=", "cursor=%00", "cursor=%F0%9F%92%A9", "limit=0", "limit=-1"),
        *("limit=1001", "limit=0000019999", "limit=x", "limit=", "limit=%D9%A3", "limit=1e3"),
        *("limit=" + "9" * 5000, "limit=000001" + "9" * 30, "status=", "status=done", "status=%00"),
        *("repository=%00", "surprise=1"),
    ],
    ids=lambda query: query[:20],
)
async def test_a_garbled_query_is_refused(door: Door, query: str) -> None:
    for path in ("jobs", "dead-letters"):
        answer = await door.get(f"/api/{path}?{query}")
        assert answer.status_code == 400
        assert query.partition("=")[0] in (await answer.get_json())["detail"]


async def test_a_wrong_method_says_which_are_right(door: Door) -> None:
    answer = await door.get("/api/jobs/none/cancel")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


async def test_a_followed_log_ends_with_its_job(door: Door) -> None:
    made = await (await door.delegate(body())).get_json()
    answer = await door.get(f"/api/jobs/{made['id']}/logs?follow=true")
    assert b"hello" in await answer.get_data()


async def test_each_attempt_keeps_its_log(door: Door) -> None:
    command = ["sh", "-c", "echo hello; sleep 20"]
    made = await (await door.delegate(body(execution={"command": command}))).get_json()
    logs = f"/api/jobs/{made['id']}/logs"
    await trio.sleep(5)
    first = await (await door.get(logs)).get_data()
    door.cluster.engines["h1"].crash(down_seconds=3)
    (job,) = await door.cluster.finished(door.life, made["id"])
    assert job.attempt == 2
    assert b"hello" in first
    assert await (await door.get(f"{logs}?attempt=1")).get_data() == first
    for query in ("", "?attempt=2"):
        assert b"hello" in await (await door.get(logs + query)).get_data()
    for query in ("attempt=3", "attempt=0", "attempt=", "attempt=x", "attempt=1&follow=true"):
        answer = await door.get(f"{logs}?{query}")
        assert answer.status_code == 400
        assert "attempt" in (await answer.get_json())["detail"]


async def test_an_absent_ledger_is_503(door: Door) -> None:
    door.cluster.ledger.outage = True
    answer = await door.get("/api/jobs")
    door.cluster.ledger.outage = False
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
