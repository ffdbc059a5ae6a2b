"""Webhooks: what is taken, what is refused, and that it is durable before it is answered."""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked
from werkzeug.datastructures import Headers

from runnerhub.actors.webhooks import intake
from runnerhub.api.bodies import MOST_BYTES
from runnerhub.model.webhook import ROUTED
from runnerhub.model.webhook_job import WorkflowJob
from runnerhub.ports.deliveries import Backlog
from tests.api.conftest import Door
from tests.api.hooked import OLDER, PATH, SECRET, Hooked, headers, hooked, job_payload, signed
from tests.api.promises import Promises
from tests.parts import npm


@pytest.fixture
async def hook(autojump_clock: MockClock) -> AsyncIterator[Hooked]:
    async with hooked() as made:
        promises = Promises()
        post = made.post

        async def checked(body: bytes, **more: Any) -> Any:
            answer = await post(body, **more)
            await promises.check(made.app, "POST", PATH, answer)
            return answer

        made.post = checked  # type: ignore[method-assign]
        yield made


async def the_job(hook: Hooked, number: int = 1) -> WorkflowJob | None:
    await trio.sleep(0.1)
    return await hook.desk.jobs.job(number)


async def words(answer: Any) -> str:
    return str((await answer.get_json())["detail"])


async def test_a_delivery_is_taken_and_worked_on(hook: Hooked) -> None:
    answer = await hook.send(job_payload())
    assert answer.status_code == 202
    assert await answer.get_json() == {"delivery": "g-1"}
    job = await the_job(hook)
    assert job is not None
    assert (job.status, job.repository, job.installation_id) == ("queued", "acme/web", 5)
    assert [j.id for j in await hook.desk.jobs.queued_for(["self-hosted"])] == [1]
    assert hook.metric("webhook_deliveries_total", event="workflow_job", result="accepted") == 1
    assert hook.metric("webhook_worked_total", event="workflow_job", result="changed") == 1


async def test_the_vector_of_the_reference() -> None:
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signed(b"Hello, World!", SECRET) == expected


async def test_what_is_signed_and_no_json_is_a_mistake_of_form(hook: Hooked) -> None:
    for body in (
        b"Hello, World!",
        b"",
        b"[]",
        b"1",
        b'"x"',
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"workflow_job":{"id":' + b"9" * 5000 + b"}}",
        b'{"a":"\xff\xfe"}',
        json.dumps(job_payload()).encode("utf-16"),
        json.dumps(job_payload()).encode("utf-32"),
        b"null",
    ):
        answer = await hook.post(body)
        assert answer.status_code == 400, body[:20]
        assert "JSON" in await words(answer)


@pytest.mark.parametrize("secret", [SECRET, OLDER])
async def test_each_secret_fits_and_pretty_printed_bodies_too(hook: Hooked, secret: str) -> None:
    body = json.dumps(job_payload(name="übung"), indent=4, ensure_ascii=False).encode()
    answer = await hook.post(body, headers={"X-Hub-Signature-256": signed(body, secret)})
    assert answer.status_code == 202


async def test_a_forged_one_is_refused(hook: Hooked) -> None:
    body = json.dumps(job_payload()).encode()
    for signature in (
        None,
        "",
        "sha256=",
        signed(body, "another"),
        signed(body, ""),
        signed(body)[:-1],
        signed(body) + "0",
        signed(body).upper(),
        signed(body).replace("sha256", "sha1"),
        signed(body).removeprefix("sha256="),
        "sha256=" + "0" * 64,
        "sha256=" + "é" * 64,
    ):
        answer = await hook.post(body, headers={"X-Hub-Signature-256": signature})
        assert answer.status_code == 401, signature
    for other in (body[:-1], body + b" ", body.replace(b"1", b"2"), b"", json.dumps({}).encode()):
        answer = await hook.post(other, headers={"X-Hub-Signature-256": signed(body)})
        assert answer.status_code == 401
    assert await the_job(hook) is None
    assert hook.metric("webhook_refused_total", why="signature") == 17


async def test_a_form_is_refused_with_the_mend(hook: Hooked) -> None:
    body = b"payload=%7B%7D"
    answer = await hook.post(body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 415
    assert "application/json" in await words(answer)
    for more in ({"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}):
        assert (await hook.post(b"{}", headers=more)).status_code == 415


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("X-Hub-Signature-256", "sha256=" + "0" * 64),
        ("x-hub-signature-256", "sha256=" + "0" * 64),
        ("X-GitHub-Event", "ping"),
        ("X-GitHub-Delivery", "g-2"),
        ("Content-Type", "text/plain"),
    ],
)
async def test_a_header_that_stands_twice_is_refused(hook: Hooked, name: str, other: str) -> None:
    body = json.dumps(job_payload()).encode()
    for twice in ([*headers(body).items(), (name, other)], [(name, other), *headers(body).items()]):
        answer = await hook.app.test_client().post(PATH, data=body, headers=Headers(twice))
        assert answer.status_code == 400
        assert "once" in await words(answer)
    assert await the_job(hook) is None


async def test_whatever_is_in_a_signed_job_it_is_not_lost(hook: Hooked) -> None:
    odd: list[dict[str, Any]] = [
        {"name": "a\0", "runner_name": "\0", "labels": ["self-hosted", "\0"]},
        {"name": "\ud800", "head_branch": "\udfff", "labels": ["self-hosted", "\ud800"]},
        {"name": "x" * 10**6, "labels": ["self-hosted"] + ["l" * 5000] * 1000},
        {"run_id": float("inf"), "created_at": float("nan"), "started_at": -(10**12)},
        {"created_at": "0001-01-01T00:00:00+23:59", "started_at": "9999-12-31T23:59:59-23:59"},
        {"labels": {"a": 1}, "steps": 5, "created_at": [], "completed_at": {"a": 10**400}},
    ]
    for number, more in enumerate(odd, 1):
        assert (await hook.send(job_payload(number, **more), guid=f"g-{number}")).status_code == 202
        job = await the_job(hook, number)
        assert job is not None
        assert job.status == "queued"
        json.dumps(job.name or "").encode()
    nameless: list[Any] = [0, -5, 2**63, True, "1", None]
    for none in nameless:
        answer = await hook.send(job_payload(none), guid=f"n-{none}")
        assert answer.status_code == 202
    await trio.sleep(1)
    assert len(await hook.desk.jobs.queued()) == len(odd)
    assert (await hook.desk.deliveries.backlog()) == Backlog()


@pytest.mark.parametrize("name", ["X-GitHub-Event", "X-GitHub-Delivery"])
@pytest.mark.parametrize("value", [None, "", "a b", "x" * 200])
async def test_its_headers_are_needed(hook: Hooked, name: str, value: str | None) -> None:
    answer = await hook.post(b"{}", headers={name: value})
    assert answer.status_code == 400
    assert name in await words(answer)


async def test_without_secrets_it_says_so(door: Door, autojump_clock: MockClock) -> None:
    answer = await door.post(PATH, None, data=b"{}", headers=headers(b"{}"))
    assert answer.status_code == 404
    assert "github.webhook_secrets" in await words(answer)
    async with hooked(secrets=("",)) as hook:
        body = b"{}"
        empty = {"X-Hub-Signature-256": signed(body, "")}
        assert (await hook.post(body, headers=empty)).status_code == 404


async def test_the_size(hook: Hooked) -> None:
    just = b'{"x":"' + b" " * (MOST_BYTES - 8) + b'"}'
    assert (await hook.post(just, headers={"X-GitHub-Event": "star"})).status_code == 202
    over = just + b" "
    answer = await hook.post(over)
    assert answer.status_code == 413
    assert hook.app.config["LARGE_BODIES"].left == 4
    assert (await hook.post(over, headers={"X-Hub-Signature-256": None})).status_code == 401


async def test_large_ones_take_turns(hook: Hooked) -> None:
    large = b'{"x":"' + b" " * (2 << 20) + b'"}'
    hook.app.config["LARGE_BODIES"].left = 0
    answer = await hook.post(large)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await hook.send(job_payload())).status_code == 202
    hook.app.config["LARGE_BODIES"].left = 1
    assert (await hook.post(large)).status_code == 202
    assert (await hook.post(large)).status_code == 202


async def test_a_ledger_that_is_away_is_said(hook: Hooked) -> None:
    hook.desk.deliveries.outage = True  # type: ignore[attr-defined]
    answer = await hook.send(job_payload())
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    # What asks nothing of us needs no ledger.
    assert (await hook.send({}, "star")).status_code == 202
    hook.desk.deliveries.outage = False  # type: ignore[attr-defined]
    assert (await hook.send(job_payload())).status_code == 202
    assert hook.metric("webhook_refused_total", why="overload") == 1


async def test_too_many_at_once_are_told_to_come_back(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runnerhub.actors.webhooks.family.INTAKE_ROOM", 4)
    async with hooked() as hook:
        opened, codes = trio.Event(), dict[int, int]()
        receive = hook.desk.deliveries.receive

        async def slow(arrived: Any) -> Any:
            await opened.wait()
            return await receive(arrived)

        hook.desk.deliveries.receive = slow  # type: ignore[method-assign]

        async def send(number: int) -> None:
            answer = await hook.send(job_payload(number + 1), guid=f"g-{number}")
            codes[number] = answer.status_code

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, 0)
            await wait_all_tasks_blocked()
            for number in range(1, 9):
                nursery.start_soon(send, number)
            await wait_all_tasks_blocked()
            assert sorted(codes.values()) == [503] * 4
            opened.set()
        await trio.sleep(0.1)
        assert sorted(codes.values()) == [202] * 5 + [503] * 4
        assert len(await hook.desk.jobs.queued()) == sum(code == 202 for code in codes.values())


async def test_one_that_becomes_durable_too_late_is_no_second_one(
    autojump_clock: MockClock,
) -> None:
    async with hooked() as hook:
        receive = hook.desk.deliveries.receive

        async def slow(arrived: Any) -> Any:
            answers = await receive(arrived)
            await trio.sleep(intake.RECEIVE_SECONDS + 2)
            return answers

        hook.desk.deliveries.receive = slow  # type: ignore[method-assign]
        assert (await hook.send(job_payload())).status_code == 503
        await trio.sleep(20)
        hook.desk.deliveries.receive = receive  # type: ignore[method-assign]
        assert (await hook.send(job_payload())).status_code == 202
        assert (
            hook.metric("webhook_deliveries_total", event="workflow_job", result="duplicate") == 1
        )


async def test_twice_is_answered_and_done_once(hook: Hooked) -> None:
    for guid in ("g-1", "g-1", "g-2"):  # the id is not signed: the effect counts
        assert (await hook.send(job_payload(), guid=guid)).status_code == 202
        await trio.sleep(0.1)
    changed = hook.metric("webhook_worked_total", event="workflow_job", result="changed")
    unchanged = hook.metric("webhook_worked_total", event="workflow_job", result="unchanged")
    assert (changed, unchanged) == (1, 1)


async def test_out_of_order_ends_the_same(hook: Hooked) -> None:
    told = [
        job_payload(1, "queued", status="waiting"),
        job_payload(1, "queued"),
        job_payload(1, "in_progress", runner_name="r1", runner_id=9),
        job_payload(1, "completed", conclusion="success"),
    ]
    rng = random.Random(3)  # noqa: S311 - an order, no secret
    for turn in range(10):
        rng.shuffle(told)
        for number, payload in enumerate(told):
            payload["workflow_job"]["id"] = turn + 1
            answer = await hook.send(payload, guid=f"{turn}-{number}")
            assert answer.status_code == 202
            if rng.random() < 0.5:
                await trio.sleep(0.1)
        job = await the_job(hook, turn + 1)
        assert job is not None
        assert (job.status, job.conclusion) == ("completed", "success")
        assert (job.runner_name, job.runner_id) == ("r1", 9)
    assert await hook.desk.jobs.queued() == []


async def test_a_job_behind_a_gate_starts_nothing(hook: Hooked) -> None:
    await hook.send(job_payload(status="waiting"))
    job = await the_job(hook)
    assert job is not None
    assert job.status == "waiting"
    assert await hook.desk.jobs.queued_for(["self-hosted"]) == []
    woken = hook.desk.world.github_jobs_changed.ticket()
    await hook.send(job_payload(), guid="g-2")
    assert [j.id for j in await self_hosted(hook)] == [1]
    assert woken.is_set()


async def self_hosted(hook: Hooked) -> Any:
    await trio.sleep(0.1)
    return await hook.desk.jobs.queued_for(["self-hosted"])


async def test_an_old_recording_starts_nothing(hook: Hooked) -> None:
    await hook.send(job_payload(created_at="2021-09-13T02:21:13Z"))
    assert await self_hosted(hook) == []


async def test_labels_of_metrics_are_bounded(hook: Hooked) -> None:
    for number in range(40):
        answer = await hook.send({"action": "made"}, f"event_{number}", f"g-{number}")
        assert answer.status_code == 202
    assert hook.metric("webhook_deliveries_total", event="other", result="ignored") == 40
    assert "event_7" not in hook.page()


# ---------------------------------------------------------------- GitHub's own examples


def examples(edition: str = "api.github.com") -> list[tuple[str, dict[str, Any]]]:
    package = npm.packages() / "@octokit/webhooks-examples"
    index = json.loads(Path(package / edition / "index.json").read_bytes())
    return [(event["name"], payload) for event in index for payload in event["examples"]]


@pytest.mark.real
async def test_all_examples_are_taken(hook: Hooked) -> None:
    given = examples()
    assert len(given) == 329
    for number, (event, payload) in enumerate(given):
        body = json.dumps(payload, indent=number % 3 or None).encode()
        answer = await hook.post(body, headers=headers(body, event, f"guid-{number}"))
        assert answer.status_code == 202, (event, payload.get("action"))
        assert await answer.get_json() == {"delivery": f"guid-{number}"}
    await trio.sleep(0.1)
    for event in sorted(ROUTED):
        count = sum(name == event for name, _ in given)
        assert count
        assert hook.metric("webhook_deliveries_total", event=event, result="accepted") == count
        done = sum(
            hook.metric("webhook_worked_total", event=event, result=result)
            for result in ("changed", "unchanged")
        )
        assert done == count
    others = sum(name not in ROUTED for name, _ in given)
    assert hook.metric("webhook_deliveries_total", event="other", result="ignored") == others
    assert (await hook.desk.deliveries.backlog()).dead == 0


@pytest.mark.real
@pytest.mark.parametrize("edition", ["api.github.com", "ghes-33", "ghes-34", "ghes-35"])
async def test_each_workflow_job_of_the_examples_has_its_action(
    edition: str, autojump_clock: MockClock
) -> None:
    given = [payload for event, payload in examples(edition) if event == "workflow_job"]
    assert given
    for payload in given:
        told = payload["workflow_job"]
        async with hooked() as hook:
            woken = hook.desk.world.github_jobs_changed.ticket()
            assert (await hook.send(payload)).status_code == 202
            job = await the_job(hook, told["id"])
            assert job is not None
            assert woken.is_set()
            assert (job.status, job.conclusion) == (told["status"], told["conclusion"])
            assert job.repository == payload["repository"]["full_name"]
            assert list(job.labels) == told["labels"]
            assert job.runner_name == told["runner_name"]
            assert job.run_id == told["run_id"]
            queued = payload["action"] == told["status"] == "queued"
            assert (await hook.desk.jobs.counts()).get("queued", 0) == queued
