"""Dead deliveries: an operator sees why, and has them tried again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from runnerhub.api.auth import Tokens
from tests.api.hooked import Hooked, hooked, job_payload
from tests.api.promises import Promises

PATH = "/api/webhooks/deliveries"


class Asking:
    def __init__(self, hook: Hooked) -> None:
        self.hook = hook
        self.promises = Promises()

    async def __call__(self, method: str, path: str, role: str | None = "operator") -> Any:
        token = Tokens("x" * 32).issue(role, "ann", 1) if role else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = self.hook.app.test_client()
        send = client.get if method == "GET" else client.post
        answer = await send(path, headers=headers)
        await self.promises.check(self.hook.app, method, path.partition("?")[0], answer)
        return answer

    async def listed(self, query: str = "?state=dead") -> Any:
        answer = await self("GET", PATH + query)
        assert answer.status_code == 200, await answer.get_data()
        return await answer.get_json()


@asynccontextmanager
async def asking() -> AsyncIterator[Asking]:
    async with hooked() as hook:
        yield Asking(hook)


async def let_one_die(ask: Asking, number: int, guid: str) -> None:
    jobs = ask.hook.desk.jobs
    observe = jobs.observe

    async def broken(told: Any) -> Any:
        raise RuntimeError("a mistake of ours")

    jobs.observe = broken  # type: ignore[method-assign]
    await ask.hook.send(job_payload(number), guid=guid)
    await trio.sleep(250)
    jobs.observe = observe  # type: ignore[method-assign]


async def test_a_dead_delivery_is_listed_with_the_reason_and_tried_again(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with asking() as ask:
        await let_one_die(ask, 1, "g-1")
        page = await ask.listed()
        (dead,) = page["deliveries"]
        assert (page["configured"], page["next_cursor"]) == (True, None)
        assert (dead["delivery"], dead["event"], dead["action"]) == (
            "g-1",
            "workflow_job",
            "queued",
        )
        assert (dead["state"], dead["attempts"], dead["repository"]) == ("dead", 10, "acme/web")
        assert dead["error"] == "RuntimeError('a mistake of ours')"
        assert ask.hook.metric("webhook_dead") == 1

        capsys.readouterr()
        answer = await ask("POST", f"{PATH}/{dead['id']}/requeue")
        assert answer.status_code == 202
        again = await answer.get_json()
        assert (again["id"], again["state"], again["attempts"]) == (dead["id"], "new", 0)
        assert again["requeued_by"] == "ann"
        assert again["requeued_at"] is not None
        told = capsys.readouterr()
        said = told.out + told.err
        assert all(words in said for words in ("webhook_requeued", "ann", "g-1"))

        await trio.sleep(5)
        job = await ask.hook.desk.jobs.job(1)
        assert job is not None
        assert job.status == "queued"
        assert (await ask.listed())["deliveries"] == []
        (done,) = (await ask.listed("?state=done"))["deliveries"]
        assert done["requeued_by"] == "ann"
        assert ask.hook.metric("webhook_requeued_total") == 1
        assert ask.hook.metric("webhook_dead") == 0
        assert (await ask("POST", f"{PATH}/{dead['id']}/requeue")).status_code == 404


async def test_lists_go_on_over_pages(autojump_clock: MockClock) -> None:
    async with asking() as ask:
        for number in range(5):
            await ask.hook.send(job_payload(number), guid=f"g-{number}")
        await trio.sleep(1)
        guids, query = [], "?limit=2"
        while True:
            page = await ask.listed(query)
            guids += [each["delivery"] for each in page["deliveries"]]
            if page["next_cursor"] is None:
                break
            query = f"?limit=2&cursor={page['next_cursor']}"
        assert guids == ["g-4", "g-3", "g-2", "g-1", "g-0"]


@pytest.mark.parametrize("role", [None, "viewer", "proxy"])
async def test_it_takes_an_operator(autojump_clock: MockClock, role: str | None) -> None:
    async with asking() as ask:
        status = 403 if role else 401
        assert (await ask("GET", PATH, role)).status_code == status
        assert (await ask("POST", f"{PATH}/1/requeue", role)).status_code == status


@pytest.mark.parametrize(
    "query", ["state=", "state=x", "limit=0", "limit=1001", "cursor=", "cursor=x", "guid=1"]
)
async def test_what_is_no_question_is_refused(autojump_clock: MockClock, query: str) -> None:
    async with asking() as ask:
        assert (await ask("GET", f"{PATH}?{query}")).status_code == 400


@pytest.mark.parametrize("number", ["0", "1", "-1", "x", "%00", str(2**63), "9" * 400, "g-1"])
async def test_what_is_not_dead_is_not_found(autojump_clock: MockClock, number: str) -> None:
    async with asking() as ask:
        await ask.hook.send(job_payload())
        await trio.sleep(1)
        assert (await ask("POST", f"{PATH}/{number}/requeue")).status_code == 404


async def test_while_postgresql_is_away_it_says_so(autojump_clock: MockClock) -> None:
    async with asking() as ask:
        ask.hook.desk.deliveries.outage = True  # type: ignore[attr-defined]
        for method, path in (("GET", PATH), ("POST", f"{PATH}/1/requeue")):
            answer = await ask(method, path)
            assert answer.status_code == 503
            assert "Retry-After" in answer.headers


async def test_where_there_are_no_webhooks_there_are_no_deliveries(
    autojump_clock: MockClock,
) -> None:
    async with asking() as ask:
        ask.hook.app.config["WEBHOOKS"] = None
        assert await ask.listed() == {"deliveries": [], "next_cursor": None, "configured": False}
        assert (await ask("POST", f"{PATH}/1/requeue")).status_code == 404
