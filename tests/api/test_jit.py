"""A job that is to become a runner, delegated over the API."""

from typing import Any

import pytest

from runnerhub.model.job import Network
from runnerhub.model.runner import RunnerWish
from tests.api.conftest import Door, body

RUNNER = {"scope": "orgs/acme", "labels": ["linux", "x64"], "group": 3}


def jit(**more: Any) -> dict[str, Any]:
    return body(execution={"kind": "jit", "runner": RUNNER, "command": [], **more})


async def test_it_is_accepted_as_it_was_asked_for(door: Door) -> None:
    answer = await door.delegate(jit())
    assert answer.status_code == 201
    job = await door.cluster.ledger.job((await answer.get_json())["id"])
    assert job is not None
    assert job.spec.execution.runner == RunnerWish("/orgs/acme", ("linux", "x64"), 3)
    assert job.spec.execution.network is Network.EGRESS


@pytest.mark.parametrize(("role", "code"), [("proxy", 403), ("operator", 201)])
async def test_it_takes_an_operator(door: Door, role: str, code: int) -> None:
    answer = await door.post("/api/jobs/delegate", role, json=jit())
    assert answer.status_code == code


@pytest.mark.parametrize(
    "execution",
    [
        {"kind": "jit"},
        {"kind": "command", "runner": RUNNER},
        {"kind": "jit", "runner": RUNNER, "network": "isolated"},
        {"kind": "jit", "runner": {**RUNNER, "scope": "../x"}},
        {"kind": "jit", "runner": {**RUNNER, "labels": []}},
        {"kind": "jit", "runner": {**RUNNER, "scale_set": 1}},
    ],
)
async def test_what_does_not_fit_together_is_refused(door: Door, execution: dict[str, Any]) -> None:
    answer = await door.delegate(body(execution=execution))
    assert answer.status_code == 422
    assert "execution" in (await answer.get_json())["errors"][0]["field"]
