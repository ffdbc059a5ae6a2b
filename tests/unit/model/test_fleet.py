"""How many runners there should be, and which should go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerhub.model.fleet import (
    Fleet,
    Listed,
    Patience,
    ghosts,
    pool_for,
    to_retire,
    to_start,
    wish_for,
)
from runnerhub.model.job import Execution, Job, JobSpec, Phase
from runnerhub.model.pool import Pool
from runnerhub.model.runner import runner_name
from runnerhub.model.webhook_job import WorkflowJob

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER = "c" * 12
LINUX = Pool("linux", frozenset({"linux"}), image="i", scope="repository", max_runners=5)
BIG = Pool("big", frozenset({"linux", "big"}), image="i", scope="orgs/Acme", max_runners=5)
PLAIN = Pool("plain", frozenset({"linux"}))
POOLS = (PLAIN, BIG, LINUX)


def queued(number: int = 1, *labels: str, repository: str = "acme/web") -> WorkflowJob:
    return WorkflowJob(number, repository, "queued", labels or ("self-hosted", "Linux"))


def runner(number: int, job: WorkflowJob, phase: Phase = Phase.RUNNING, age: float = 1.0) -> Job:
    pool = pool_for(job, POOLS)
    assert pool is not None
    spec = JobSpec(f"r-{number}", job.repository, Execution("i", runner=wish_for(job, pool)))
    sandbox = None if phase is Phase.QUEUED else f"{number:012x}"
    stamps = {"started": NOW - timedelta(seconds=age)} if phase is Phase.RUNNING else {}
    return Job(str(number), spec, phase, sandbox_id=sandbox, timestamps=stamps)


def name(number: int) -> str:
    return runner_name(CLUSTER, f"{number:012x}")


def fleet(**more: object) -> Fleet:
    return Fleet(CLUSTER, POOLS, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("job", "pool"),
    [
        (queued(1, "self-hosted", "linux"), LINUX),
        (queued(1, "BIG"), BIG),
        (queued(1, "big", repository="other/x"), None),
        (queued(1, "windows"), None),
        (queued(1, "self-hosted"), LINUX),
    ],
)
def test_the_pool_of_a_workflow_job(job: WorkflowJob, pool: Pool | None) -> None:
    assert pool_for(job, POOLS) is pool


def test_a_runner_registers_where_its_pool_says() -> None:
    assert wish_for(queued(), LINUX).scope == "/repos/acme/web"
    assert wish_for(queued(), BIG).scope == "/orgs/Acme"
    assert wish_for(queued(), BIG).labels == ("big", "linux", "self-hosted")


def test_as_many_runners_as_jobs_wait() -> None:
    jobs = [queued(n) for n in range(1, 4)]
    assert [s.because.id for s in to_start(fleet(queued=jobs))] == [1, 2, 3]
    coming = [runner(1, jobs[0], Phase.QUEUED), runner(2, jobs[0])]
    assert len(to_start(fleet(queued=jobs, runners=coming))) == 1
    # One of them has a job already, so it is nobody else's.
    bound = {name(2): replace(queued(9), status="in_progress")}
    assert len(to_start(fleet(queued=jobs, runners=coming, bound=bound))) == 2


def test_what_ended_well_has_served_somebody_until_it_is_told_whom() -> None:
    jobs = [queued(1), queued(2), queued(3, repository="acme/api")]
    ended = [runner(1, jobs[0], Phase.FINISHED), runner(2, jobs[0], Phase.REAPING)]
    known = fleet(queued=jobs, runners=[ended[1]], ended=ended)
    assert [start.because.id for start in to_start(known)] == [3]
    # Told of, it serves that job alone, which is queued no more.
    told = replace(known, bound={name(1): replace(queued(1), status="completed")})
    assert [start.because.id for start in to_start(replace(told, queued=jobs[1:]))] == [3]
    assert retired(known) == {}


@given(
    st.integers(0, 8),
    st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8),
    st.integers(1, 5),
)
def test_runners_come_ended_or_free_are_as_many_as_jobs_that_wait(
    waiting: int, runners: list[tuple[bool, bool]], most: int
) -> None:
    pools = (replace(LINUX, max_runners=most),)
    jobs = [queued(n) for n in range(1, waiting + 1)]
    phases = [Phase.FINISHED if over else Phase.RUNNING for over, _ in runners]
    there = [runner(n, queued(), phase) for n, phase in enumerate(phases)]
    bound = {name(n): queued(90 + n) for n, (_, told) in enumerate(runners) if told}
    known = Fleet(
        CLUSTER,
        pools,
        jobs,
        [each for each in there if each.phase is Phase.RUNNING],
        bound,
        ended=[each for each in there if each.phase is Phase.FINISHED],
    )
    serve = sum(not told for _, told in runners)
    room = most - sum(not over for over, _ in runners)
    assert len(to_start(known)) == max(0, min(waiting - serve, room))


def test_other_repositories_and_labels_need_runners_of_their_own() -> None:
    idle = [runner(1, queued(1))]
    jobs = [queued(2, repository="acme/api"), queued(3, "big")]
    assert len(to_start(fleet(queued=jobs, runners=idle))) == 2


def test_a_pool_has_a_limit_and_may_be_held_back() -> None:
    jobs = [queued(n) for n in range(1, 20)]
    assert len(to_start(fleet(queued=jobs))) == 5
    busy = [runner(n, jobs[0]) for n in range(4)]
    bound = {name(n): replace(queued(90 + n), status="in_progress") for n in range(4)}
    assert len(to_start(fleet(queued=jobs, runners=busy, bound=bound))) == 1
    assert to_start(fleet(queued=jobs), frozenset({"linux"})) == []


def retired(known: Fleet) -> dict[str, str]:
    return {r.runner.id: r.why for r in to_retire(known, NOW, Patience(60, 180, 60))}


def test_what_nobody_needs_goes() -> None:
    idle = [runner(1, queued(), age=61), runner(2, queued(), age=59)]
    coming = runner(3, queued(), Phase.QUEUED)
    assert retired(fleet(runners=[*idle, coming])) == dict.fromkeys("13", "no job needs it")
    # What runs is kept for the job that waits, what comes is not.
    assert retired(fleet(queued=[queued()], runners=[coming, idle[0]])) == {"3": "no job needs it"}


def test_what_never_came_online_goes() -> None:
    late = runner(1, queued(), age=181)
    known = fleet(queued=[queued()], runners=[late])
    assert retired(known) == {}, "unless GitHub says so"
    offline = Listed(name(1), online=False, busy=False)
    assert retired(replace(known, listed={name(1): offline})) == {"1": "it never came online"}
    assert retired(replace(known, listed={name(1): replace(offline, online=True)})) == {}


def test_what_outlives_its_job_goes() -> None:
    busy = runner(1, queued(), age=900)
    over = replace(queued(9), status="completed", completed_at=NOW - timedelta(seconds=61))
    known = fleet(runners=[busy], bound={name(1): over})
    assert retired(known) == {"1": "its job is completed, and it goes on"}
    just = replace(over, completed_at=NOW - timedelta(seconds=59))
    assert retired(replace(known, bound={name(1): just})) == {}
    assert retired(replace(known, bound={name(1): replace(over, status="in_progress")})) == {}


def test_ghosts_are_ours_and_nobodys() -> None:
    listed = [Listed(n, online=False, busy=False) for n in (name(1), name(2), "rh-x", "theirs")]
    other = Listed(runner_name("d" * 12, "0" * 12), online=False, busy=False)
    assert ghosts([*listed, other], [runner(2, queued())], CLUSTER) == [name(1)]


@given(
    st.lists(st.sampled_from([("linux",), ("big",), ("x",)]), max_size=8),
    st.lists(st.sampled_from([Phase.QUEUED, Phase.PROVISIONING, Phase.RUNNING]), max_size=8),
)
def test_starting_what_is_missing_leaves_nothing_missing(
    labels: list[tuple[str, ...]], phases: list[Phase]
) -> None:
    jobs = [queued(n, *each) for n, each in enumerate(labels)]
    runners = [runner(n, queued(), phase) for n, phase in enumerate(phases)]
    known = fleet(queued=jobs, runners=runners)
    started = [
        Job(f"s{n}", JobSpec(f"s{n}", "r", Execution("i", runner=start.wish)))
        for n, start in enumerate(to_start(known))
    ]
    assert to_start(replace(known, runners=[*runners, *started])) == []
