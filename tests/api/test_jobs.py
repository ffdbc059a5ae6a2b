"""Reading, listing, cancelling and requeueing, with sound words and with garbage."""

import pytest

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


async def test_an_absent_ledger_is_503(door: Door) -> None:
    door.cluster.ledger.outage = True
    answer = await door.get("/api/jobs")
    door.cluster.ledger.outage = False
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
