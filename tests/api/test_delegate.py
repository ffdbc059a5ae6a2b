"""Delegating: what is accepted once, and what is refused whole."""

import gzip
import json
from typing import Any

import pytest

from tests.api.conftest import Door, body

STATUS_KEYS = (
    "id status conclusion reason phase explanation exit_code host attempt timestamps external_id "
    "repository job_name retry_of dead_letter cancel_requested"
)
STAMPS = "accepted claimed placed image_ready created started exited reaped"


async def jobs_kept(door: Door) -> int:
    return len((await door.cluster.ledger.jobs(limit=1000)).jobs)


async def test_the_same_body_is_one_job_and_another_body_a_conflict(door: Door) -> None:
    first = await door.delegate(body())
    again = await door.delegate(body())
    other = await door.delegate(body(priority=51))
    elsewhere = await door.delegate(body(repository="acme/api"))
    assert [a.status_code for a in (first, again, other, elsewhere)] == [201, 200, 409, 201]
    assert (await first.get_json())["id"] == (await again.get_json())["id"]
    problem = await other.get_json()
    assert other.content_type == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail"}
    assert await jobs_kept(door) == 2


async def test_a_status_has_exactly_these_fields(door: Door) -> None:
    made = await (await door.delegate(body())).get_json()
    await door.cluster.finished(door.life, made["id"])
    job = await (await door.get(f"/api/jobs/{made['id']}/status")).get_json()
    assert set(job) == set(STATUS_KEYS.split())
    assert set(job["timestamps"]) == set(STAMPS.split())
    assert all(stamp.endswith("Z") for stamp in job["timestamps"].values())
    assert (job["status"], job["conclusion"], job["exit_code"]) == ("completed", "success", 0)
    assert job["attempt"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"surprise": 1},
        {"external_id": ""},
        {"external_id": "x" * 256},
        {"external_id": "a\0b"},
        {"external_id": 7},
        {"external_id": None},
        {"repository": ["acme/web"]},
        {"labels": "linux"},
        {"labels": [1]},
        {"labels": ["x"] * 33},
        {"priority": 101},
        {"priority": -1},
        {"priority": True},
        {"priority": 1.5},
        {"priority": "50"},
        {"priority": 10**400},
        {"run_id": 2**63},
        {"run_id": -1},
        {"timeout_seconds": 0},
        {"timeout_seconds": 10**30},
        {"timeout_seconds": 10**400},
        {"timeout_seconds": "60"},
        {"execution": {"kind": "script"}},
        {"execution": {"image": "debian:12\n"}},
        {"execution": {"image": "UPPER CASE"}},
        {"execution": {"image": "a\0b"}},
        {"execution": {"image": ""}},
        {"execution": {"privileged": True}},
        {"execution": {"command": "echo"}},
        {"execution": {"command": ["a\0b"]}},
        {"execution": {"command": ["x"] * 257}},
        {"execution": {"env": {"A=B": "x"}}},
        {"execution": {"env": {"": "x"}}},
        {"execution": {"env": {"A": 1}}},
        {"execution": {"env": {"A": "\0"}}},
        {"execution": {"env": {f"A{n}": "x" * 30_000 for n in range(5)}}},
        {"execution": {"network": "host"}},
        {"execution": {"resources": {"cpus": 0}}},
        {"execution": {"resources": {"cpus": 10**400}}},
        {"execution": {"resources": {"memory_mb": 2**70}}},
        {"execution": {"resources": {"pids": 0}}},
        {"execution": {"services": [{"name": "job", "image": "a"}]}},
        {"execution": {"services": [{"name": "db\n", "image": "a"}]}},
        {"execution": {"services": [{"name": "db", "image": "a"}] * 2}},
        {"execution": {"services": [{"name": "db", "image": "a"}], "network": "none"}},
    ],
    ids=lambda wrong: json.dumps(wrong)[:40].replace("\\", "/"),
)
async def test_a_body_that_breaks_a_rule_is_refused(door: Door, wrong: dict[str, Any]) -> None:
    answer = await door.delegate(body(**wrong))
    problem = await answer.get_json()
    assert answer.status_code in {400, 422}, problem
    assert problem["status"] == answer.status_code
    assert answer.content_type == "application/problem+json"
    assert await jobs_kept(door) == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nul",
        b"\xff\xfe",
        b'{"external_id": "\xed\xa0\x80"}',
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b"NaN",
        b"[]",
        b"null",
        b"9" * 900_000,
        json.dumps(body(external_id="\ud800")).encode(),
        json.dumps(body(**{"\ud800": 1})).encode(),
        json.dumps(body(execution={"env": {"\udfff": "x"}})).encode(),
        json.dumps(body(timeout_seconds=0)).replace("0}", "NaN}").encode(),
        json.dumps(body(timeout_seconds=0)).replace("0}", "1e400}").encode(),
        json.dumps(body(timeout_seconds=0)).replace("0}", "-Infinity}").encode(),
    ],
    ids=lambda raw: repr(raw[:20] + raw[-12:]).replace("\\", "/"),
)
async def test_what_is_no_sound_json_is_refused(door: Door, raw: bytes) -> None:
    answer = await door.send(raw)
    assert answer.status_code in {400, 422}
    assert (await answer.get_json())["status"] == answer.status_code
    assert await jobs_kept(door) == 0


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"priority": 1', '"priority": 2, "priority": 1'),
        ('"kind": "command"', '"kind": "command", "kind": "command"'),
        ('"A": "x"', '"A": "x", "\\u0041": "x"'),
    ],
)
async def test_a_name_that_stands_twice_is_refused(door: Door, once: str, twice: str) -> None:
    text = json.dumps(body(priority=1, execution={"env": {"A": "x"}}))
    assert once in text
    answer = await door.send(text.replace(once, twice))
    assert answer.status_code == 400
    assert "twice" in (await answer.get_json())["detail"]
    assert await jobs_kept(door) == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
async def test_only_plain_utf_8_is_read(door: Door, encoding: str) -> None:
    answer = await door.send(json.dumps(body(external_id="é~")).encode(encoding))
    assert answer.status_code in {400, 422}
    assert await jobs_kept(door) == 0


async def test_a_packed_body_is_refused_by_its_name(door: Door) -> None:
    packed = gzip.compress(json.dumps(body()).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await door.post("/api/jobs/delegate", data=packed, headers=headers)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
    assert "Content-Encoding" in (await answer.get_json())["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {f"k{n}": 1 for n in range(60_000)},
        {"x" * 900_000: 1},
        body(labels=[1] * 200_000),
        body(execution={"env": {f"{n}=": 1 for n in range(60_000)}}),
        body(execution={"services": [{}] * 200_000}),
    ],
    ids=lambda wrong: json.dumps(wrong)[:20],
)
async def test_an_answer_is_short_however_much_is_wrong(door: Door, wrong: Any) -> None:
    answer = await door.send(json.dumps(wrong))
    assert answer.status_code == 422
    assert len(await answer.get_data()) < 32 * 1024


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "a/b;;="])
async def test_another_content_type_is_refused(door: Door, kind: str) -> None:
    answer = await door.send(json.dumps(body()), kind)
    assert answer.status_code == 415


async def test_a_body_over_a_megabyte_is_refused(door: Door) -> None:
    answer = await door.send(b'"' + b"x" * 10_000_000 + b'"')
    assert answer.status_code == 413
    assert (await answer.get_json())["status"] == 413
