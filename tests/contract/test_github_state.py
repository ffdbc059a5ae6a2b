"""The port `GitHubState`: one suite, in memory and in PostgreSQL."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from runnerhub.adapters.postgres.github_jobs import PostgresWebhooks
from runnerhub.adapters.postgres.github_state import PostgresGitHubState
from runnerhub.model.github_sync import Kind, Thing, read_run
from runnerhub.model.webhook_job import WorkflowJob
from runnerhub.ports.github_jobs import GitHubJobs
from runnerhub.ports.github_state import GitHubState, ListPage, Look
from runnerhub.runtime import Bridge, run_guest
from runnerhub.sim import github_state as memory
from runnerhub.sim.github_state import MemoryGitHubState
from runnerhub.sim.webhooks import MemoryGitHubJobs
from tests.contract.harness import Cases, simulated_now

Case = Callable[[GitHubState, GitHubJobs], Awaitable[None]]

contract: Cases[Case] = Cases()
SETTLE = 0.3
WEB = Look(Kind.RUNS, "Acme/Web")


def run(number: int = 1, status: str = "queued", second: int = 0, **more: Any) -> Thing:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5) + timedelta(seconds=second)
    raw = {"id": number, "status": status, "updated_at": at.isoformat(), "run_attempt": 1}
    conclusion = "success" if status == "completed" else None
    made = read_run(raw | {"conclusion": conclusion} | more, "Acme/Web")
    assert made is not None
    return made


def repository(number: int, name: str, **more: Any) -> Thing:
    return Thing(number, name, {"archived": False, "owner_kind": "Organization"} | more)


def job(number: int, run_id: int, status: str = "queued", attempt: int = 1) -> WorkflowJob:
    return WorkflowJob(number, "acme/web", status, run_id=run_id, run_attempt=attempt)


async def ids(state: GitHubState, kind: Kind, **more: Any) -> list[int]:
    page = await state.things(kind, **{"limit": 100, **more})
    return [seen.thing.id for seen in page.items]


@contract
async def a_list_is_due_in_turn_and_planned(state: GitHubState, jobs: GitHubJobs) -> None:
    await state.enlist(Kind.RUNS, ["Acme/Web", "acme/api"])
    await state.enlist(Kind.WORKFLOWS, ["acme/api"])
    found = await state.due(10)
    assert {(look.kind, look.scope) for look in found} == {
        (Kind.RUNS, "Acme/Web"),
        (Kind.RUNS, "acme/api"),
        (Kind.WORKFLOWS, "acme/api"),
    }
    assert not any(look.pages or look.told or look.interval for look in found)
    assert len(await state.due(1)) == 1
    (web,) = [look for look in found if look.scope == "Acme/Web"]
    seen = replace(web, interval=60.0, pages=(ListPage('W/"e"', 2),), since=7, busy=True)
    await state.planned(seen, 0.0)
    await state.put_off(Look(Kind.WORKFLOWS, "acme/api"), 1000.0)
    await trio.sleep(0.01)
    assert [look.scope for look in await state.due(10)] == ["acme/api", "Acme/Web"]
    assert replace((await state.due(10))[1], due_since=None) == replace(seen, due_since=None)
    await state.enlist(Kind.RUNS, ["ACME/web"])
    (look,) = await state.due(10)
    assert (look.scope, look.since) == ("ACME/web", 7)


@contract
async def what_a_list_no_longer_has_is_removed(state: GitHubState, jobs: GitHubJobs) -> None:
    await state.enlist(Kind.RUNS, ["Acme/Web"])
    assert await state.keep(WEB, [run(1), run(2), run(3)], since=0) == 3
    assert await state.keep(WEB, [run(1), run(2), run(3)], since=None) == 0
    await trio.sleep(0.01)
    (look,) = await state.due(1)
    await trio.sleep(0.01)
    await state.tell([run(4)])  # after the list was asked for
    assert await state.keep(look, [run(3)], since=2) == 1
    assert await ids(state, Kind.RUNS) == [4, 3, 1]
    await state.forget(Kind.RUNS, "acme/WEB", 3)
    assert await ids(state, Kind.RUNS) == [4, 1]
    await state.enlist(Kind.RUNS, ["acme/api"])
    assert await ids(state, Kind.RUNS) == []


@contract
async def a_run_only_moves_forward(state: GitHubState, jobs: GitHubJobs) -> None:
    await state.tell([run(1, "completed", 5), run(1, "in_progress", 5), run(2)])
    await state.tell([run(1, "queued", 0)])
    assert await state.keep(WEB, [run(1, "in_progress", 4)], since=None) == 0
    page = await state.things(Kind.RUNS, limit=5)
    assert page.items[1].thing.data["status"] == "completed"
    assert await state.keep(WEB, [run(1, "queued", 9, run_attempt=2)], since=None) == 1
    page = await state.things(Kind.RUNS, limit=5)
    assert page.items[1].thing.data["attempt"] == 2


@contract
async def webhooks_tell_and_hasten(state: GitHubState, jobs: GitHubJobs) -> None:
    await state.enlist(Kind.RUNS, ["Acme/Web"])
    await state.enlist(Kind.WORKFLOWS, ["Acme/Web"])
    await state.enlist(Kind.REPOSITORIES, ["default"])
    for look in await state.due(9):
        await state.planned(look, 1000.0)
    assert await state.due(9) == []
    await state.mark(["acme/web"], [(Kind.WORKFLOWS, "acme/web"), (Kind.REPOSITORIES, "")], 0.0)
    await trio.sleep(0.01)
    found = {look.kind: look for look in await state.due(9)}
    assert set(found) == {Kind.WORKFLOWS, Kind.REPOSITORIES}
    assert found[Kind.WORKFLOWS].told
    assert not found[Kind.REPOSITORIES].told
    await state.mark(["no/one"], [(Kind.RUNS, "no/one")], 0.0)


@contract
async def repositories_are_listed_once(state: GitHubState, jobs: GitHubJobs) -> None:
    one, two = Look(Kind.REPOSITORIES, "one"), Look(Kind.REPOSITORIES, "two/acme")
    await state.enlist(Kind.REPOSITORIES, ["one", "two/acme"])
    await state.keep(one, [repository(1, "acme/web"), repository(2, "me/x", owner_kind="User")],
                     since=0)  # fmt: skip
    await state.keep(two, [repository(1, "acme/web"), repository(3, "acme/old", archived=True)],
                     since=0)  # fmt: skip
    assert await state.visible() == {"acme/web": True, "me/x": False}
    assert await ids(state, Kind.REPOSITORIES) == [3, 2, 1]
    assert await ids(state, Kind.REPOSITORIES, repository="ACME/Web") == [1]
    await state.keep(one, [], since=0)
    assert await ids(state, Kind.REPOSITORIES) == [3, 1]


@contract
async def pages_follow_one_another(state: GitHubState, jobs: GitHubJobs) -> None:
    runners = [Thing(number, scope, {}) for number in (1, 2) for scope in ("acme", "acme/web", "z")]
    for thing in runners:
        await state.keep(Look(Kind.RUNNERS, thing.scope), [thing], since=None)
    seen: list[tuple[int, str]] = []
    cursor = None
    for _ in range(3):
        page = await state.things(Kind.RUNNERS, limit=2, cursor=cursor)
        seen += [(each.thing.id, each.thing.scope) for each in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == [(n, scope) for n in (2, 1) for scope in ("z", "acme/web", "acme")]
    assert await ids(state, Kind.RUNNERS, repository="Acme/Web") == [2, 2, 1, 1]
    for wrong in ("", "x", "MQ==", "\0", "é", "4oCm"):
        with pytest.raises(ValueError, match="cursor"):
            await state.things(Kind.RUNNERS, limit=1, cursor=wrong)


@contract
async def a_look_that_found_nothing_new_has_seen_all(state: GitHubState, jobs: GitHubJobs) -> None:
    await state.enlist(Kind.RUNS, ["Acme/Web"])
    await state.keep(WEB, [run(1), run(2)], since=0)
    before = (await state.things(Kind.RUNS, limit=9)).items
    await trio.sleep(0.02)
    await state.planned(replace(WEB, since=2), 0.0)
    after = (await state.things(Kind.RUNS, limit=9)).items
    assert after[0].seen_at > before[0].seen_at
    assert after[1].seen_at == before[1].seen_at
    assert await state.prune_runs(keep_days=1) == 0
    await trio.sleep(0.02)
    assert await state.prune_runs(keep_days=0) == 2


@contract
async def runs_and_jobs_that_differ_are_doubtful(state: GitHubState, jobs: GitHubJobs) -> None:
    await state.enlist(Kind.RUNS, ["acme/web"])
    await state.tell(
        [
            run(1, "completed"),  # its jobs are unknown
            run(2, "completed"),  # as its job
            run(3, "completed"),  # its job goes on
            run(4, "in_progress"),  # its job is over
            run(5, "queued"),  # of an earlier attempt than its job
            run(7, "completed", -7200),  # long ago
            run(8, "in_progress", run_attempt=2),  # of a later attempt than its job
        ]
    )
    await jobs.observe(
        [
            job(20, 2, "completed"),
            job(30, 3, "in_progress"),
            job(40, 4, "completed"),
            job(50, 5, "queued", attempt=2),
            job(60, 6),  # its run is unknown
            job(80, 8, "completed"),
            job(81, 8, "queued", attempt=2),
            replace(job(90, 9), repository="not/ours"),
        ]
    )
    assert await state.doubtful(9) == []
    await trio.sleep(2 * SETTLE)
    found = await state.doubtful(9)
    assert [number for _, number in found] == [6, 5, 4, 3, 1]
    assert len(await state.doubtful(2)) == 2
    await jobs.observe([job(10, 1, "completed")])
    await trio.sleep(2 * SETTLE)
    assert [number for _, number in await state.doubtful(9)] == [6, 5, 4, 3]
    page = await state.things(Kind.RUNS, limit=1)
    assert [each.id for each in page.items[0].jobs] == [80, 81]


@contract.parametrize()
def test_simulated(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SETTLE_SECONDS", SETTLE)

    async def main() -> None:
        jobs = MemoryGitHubJobs(simulated_now)
        await case(MemoryGitHubState(simulated_now, jobs._jobs.values), jobs)

    trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.real
@contract.parametrize()
def test_postgres(case: Case, fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runnerhub.adapters.postgres.github_state.SETTLE_SECONDS", SETTLE)
    run_guest(partial(_on_postgres, case, fresh_database))


async def _on_postgres(case: Case, url: str, bridge: Bridge) -> None:
    state, jobs = PostgresGitHubState(bridge, url), PostgresWebhooks(bridge, url)
    await state.open()
    await jobs.open()
    try:
        with trio.fail_after(60):
            await case(state, jobs)
    finally:
        await state.close()
        await jobs.close()
