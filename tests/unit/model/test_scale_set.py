"""Messages of the scale-set service, and how many runners they ask for."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerhub.model.fleet import Fleet, Patience
from runnerhub.model.job import Execution, Job, JobSpec, Phase
from runnerhub.model.runner import RunnerWish, runner_name
from runnerhub.model.scale_set import (
    Bounds,
    Room,
    Statistics,
    capacity,
    desired,
    live,
    read_statistics,
    to_retire,
)
from runnerhub.model.scale_set_job import RequestState, merge, read_message
from runnerhub.model.webhook_job import WorkflowJob

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CLUSTER = "0123456789ab"
WISH = RunnerWish("/orgs/acme", ("big",), 1, "pool", 7)


def part(kind: str = "JobAvailable", **more: Any) -> dict[str, Any]:
    return {
        "messageType": kind,
        "runnerRequestId": 5,
        "repositoryName": "web",
        "ownerName": "acme",
        "jobId": "77",
        "jobDisplayName": "build",
        "workflowRunId": 3,
        "requestLabels": ["big"],
        "queueTime": "2026-01-01T11:59:00.1234567Z",
        "scaleSetAssignTime": "0001-01-01T00:00:00Z",
        "runnerAssignTime": "0001-01-01T00:00:00Z",
        "finishTime": "0001-01-01T00:00:00Z",
    } | more


def message(*parts: Any, **more: Any) -> Any:
    raw = {"messageId": 9, "messageType": "RunnerScaleSetJobMessages", "body": json.dumps(parts)}
    return read_message(raw | more)


def test_a_message_is_read() -> None:
    found = message(part(), statistics={"totalAssignedJobs": 4, "TotalRunningJobs": 2})
    [job] = found.jobs
    assert (job.request_id, job.state, job.job_id) == (5, RequestState.AVAILABLE, 77)
    assert (job.job.id, job.job.status, job.job.repository) == (77, "queued", "acme/web")
    assert job.job.started_at is None
    assert found.newest_at == job.job.created_at
    assert found.statistics == Statistics(assigned_jobs=4, running_jobs=2)


def test_an_id_that_is_no_number_is_not_githubs_id() -> None:
    [job] = message(part(jobId="6c8d-aa")).jobs
    assert (job.job_id, job.job.id) == (None, 5)


@pytest.mark.parametrize(
    ("result", "conclusion"),
    [("succeeded", "success"), ("Failed", "failure"), ("canceled", "cancelled"), ("new", "new")],
)
def test_results_become_conclusions(result: str, conclusion: str) -> None:
    [job] = message(part("JobCompleted", runnerName="r", result=result)).jobs
    assert (job.job.status, job.job.conclusion) == ("completed", conclusion)


def test_what_is_unknown_is_counted_and_left_out() -> None:
    found = message(part("JobFrozen"), part(runnerRequestId=None), 7, part())
    assert (len(found.jobs), found.unreadable) == (1, 3)
    assert message(body="{").unreadable == 1
    assert message(body="").unreadable == 0
    assert read_message({"body": "[]"}) is None
    assert read_message([]) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(part())), JSON), JSON)
def test_whatever_comes_is_read_or_left_out(odd: dict[str, Any], statistics: Any) -> None:
    assert len(message(part(), part(**odd), statistics=statistics).jobs) in (1, 2)
    read_statistics(statistics)


KINDS = st.sampled_from(["JobAvailable", "JobAssigned", "JobStarted", "JobCompleted"])


@given(st.lists(KINDS, min_size=1, max_size=8))
def test_the_furthest_word_wins_in_whatever_order(kinds: list[str]) -> None:
    told = [message(part(kind, runnerName="r")).jobs[0] for kind in kinds]
    known = told[0]
    for each in told[1:]:
        known = merge(known, each)
    assert known.rank == max(each.rank for each in told)
    assert all(merge(known, each) == known for each in told)


def test_an_offer_that_went_elsewhere_may_come_again() -> None:
    [offer] = message(part()).jobs
    passed = replace(offer, state=RequestState.PASSED)
    assert merge(passed, offer).state is RequestState.AVAILABLE
    acquired = replace(offer, state=RequestState.ACQUIRED)
    assert merge(acquired, offer).state is RequestState.ACQUIRED


def test_desired_and_capacity_keep_to_the_bounds() -> None:
    assert desired(Statistics(assigned_jobs=3), Bounds(2, 10)) == 5
    assert desired(Statistics(assigned_jobs=30), Bounds(2, 10)) == 10
    assert capacity([Room(2, 1), Room(-1, 3)], Bounds(0, 10)) == 6
    assert capacity([Room(20)], Bounds(0, 10)) == 10
    assert capacity([], Bounds()) == 0


def runner(number: int, phase: Phase = Phase.RUNNING, age: float | None = 0.0) -> Job:
    spec = JobSpec(f"r{number}", "acme", Execution("img", runner=WISH))
    started = {} if age is None else {"started": NOW - timedelta(seconds=age)}
    sandbox = None if phase is Phase.QUEUED else f"{number:012x}"
    return Job(f"j{number}", spec, phase, sandbox_id=sandbox, timestamps=started)


def fleet(*runners: Job, **bound: WorkflowJob) -> Fleet:
    jobs = {runner_name(CLUSTER, f"{int(n[1:]):012x}"): job for n, job in bound.items()}
    return Fleet(CLUSTER, (), (), runners, jobs)


BUSY = WorkflowJob(1, "acme/web", "in_progress")
DONE = WorkflowJob(2, "acme/web", "completed", completed_at=NOW - timedelta(seconds=61))


def retired(given: Fleet, wanted: int, waiting: float = 0.0) -> list[str]:
    return [each.runner.id for each in to_retire(given, wanted, waiting, NOW, Patience())]


def test_a_runner_whose_job_is_over_does_not_count() -> None:
    given = fleet(runner(1), runner(2), runner(3, Phase.REAPING), _1=BUSY, _2=DONE)
    assert [each.id for each in live(given)] == ["j1"]
    assert retired(given, 1) == ["j2"]


def test_surplus_goes_first_where_it_has_not_started_and_never_below_what_is_wanted() -> None:
    given = fleet(
        runner(1, age=61), runner(2, Phase.QUEUED, None), runner(3, Phase.LEASED, None), _1=BUSY
    )
    assert retired(given, 3) == []
    assert retired(given, 2) == ["j3"]
    assert sorted(retired(given, 0)) == ["j2", "j3"]


def test_an_idle_runner_that_has_started_stays_for_a_while() -> None:
    assert retired(fleet(runner(1, age=59)), 0) == []
    assert retired(fleet(runner(1, age=61)), 0) == ["j1"]


def test_a_runner_that_takes_none_while_jobs_wait_goes() -> None:
    assert retired(fleet(runner(1, age=181)), 1, 181) == ["j1"]
    assert retired(fleet(runner(1, age=181)), 1, 60) == []
    assert retired(fleet(runner(1, age=60)), 1, 181) == []
    assert retired(fleet(runner(1, age=181), _1=BUSY), 2, 181) == []
