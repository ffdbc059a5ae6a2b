"""A core that takes no more: 503, when to come back, and every job accepted once or not at all."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runnerhub.actors import intake, tree
from runnerhub.model.job import JobSpec
from runnerhub.ports.ledger import Accepted
from tests.api.conftest import Door, body
from tests.api.served import served, token

ROOM = 4


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "INTAKE_ROOM", ROOM)
    monkeypatch.setattr(intake, "AT_ONCE", 1)


class Gate:
    """Stands before a ledger's `accept`."""

    def __init__(self, door: Any, wait: Callable[[], Any]) -> None:
        self._ledger, self._wait = door.cluster.ledger, wait
        self._accept = self._ledger.accept
        self._ledger.accept = self

    async def __call__(
        self, specs: Sequence[JobSpec], retry_of: str | None = None
    ) -> Sequence[Accepted]:
        await self._wait()
        answers: Sequence[Accepted] = await self._accept(specs, retry_of)
        return answers

    def remove(self) -> None:
        self._ledger.accept = self._accept


async def kept(door: Door) -> int:
    return len((await door.cluster.ledger.jobs(limit=1000)).jobs)


async def test_a_full_intake_says_when_to_come_back(
    narrow: None, door: Door, autojump_clock: MockClock
) -> None:
    opened = trio.Event()
    gate = Gate(door, opened.wait)
    answers: dict[int, Any] = {}

    async def delegate(number: int) -> None:
        answers[number] = await door.delegate(body(number))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(delegate, 0)  # the intake is busy with this one
        await wait_all_tasks_blocked()
        for number in range(1, 1 + ROOM):  # these wait in its mailbox
            nursery.start_soon(delegate, number)
        await wait_all_tasks_blocked()
        assert not answers
        for number in range(1 + ROOM, 4 + ROOM):
            await delegate(number)
            assert answers[number].status_code == 503
            assert answers[number].headers["Retry-After"] == "1"
            assert answers[number].content_type == "application/problem+json"
        opened.set()
    gate.remove()
    assert [answers[number].status_code for number in range(1 + ROOM)] == [201] * (1 + ROOM)
    assert await kept(door) == 1 + ROOM
    for number in range(1 + ROOM, 4 + ROOM):
        assert (await door.delegate(body(number))).status_code == 201
    assert await kept(door) == 4 + ROOM


async def test_a_job_that_became_durable_too_late_is_met_again(
    door: Door, autojump_clock: MockClock
) -> None:
    gate = Gate(door, partial(trio.sleep, 20))
    late = await door.delegate(body())
    assert (late.status_code, late.headers["Retry-After"]) == (503, "2")
    await trio.sleep(20)
    gate.remove()
    again = await door.delegate(body())
    assert again.status_code == 200
    assert await kept(door) == 1


async def test_who_leaves_while_waiting_leaves_a_whole_job_or_none(
    door: Door, autojump_clock: MockClock
) -> None:
    gate = Gate(door, partial(trio.sleep, 1))
    with trio.move_on_after(0.5):
        await door.delegate(body())
    await trio.sleep(2)
    gate.remove()
    assert (await door.delegate(body())).status_code in {200, 201}
    assert await kept(door) == 1


async def test_a_burst_is_answered_and_in_the_end_accepted(narrow: None) -> None:
    async with served() as api:
        Gate(api, partial(trio.sleep, 0.02))
        accepted: dict[int, str] = {}
        refusals = 0
        headers = {"Authorization": f"Bearer {token()}"}
        async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=15.0) as client:

            async def insist(number: int) -> None:
                nonlocal refusals
                while True:
                    answer = await client.post("/api/jobs/delegate", json=body(number))
                    if answer.status_code == 201:
                        accepted[number] = answer.json()["id"]
                        return
                    assert answer.status_code == 503
                    assert int(answer.headers["Retry-After"]) >= 1
                    refusals += 1
                    await trio.sleep(0.05)

            async with trio.open_nursery() as nursery:
                for number in range(40):
                    nursery.start_soon(insist, number)
        assert refusals
        assert len(set(accepted.values())) == 40
        assert await api.jobs_kept() == 40
