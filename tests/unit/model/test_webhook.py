"""From a payload to what it asks, whatever the payload is."""

import hashlib
import hmac
import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerhub.adapters.postgres.webhook_rows import asks_from_json, asks_to_json
from runnerhub.model.webhook import MOST_TAGS, ROUTED, Action, action_of, route
from runnerhub.model.webhook_job import (
    COMPLETED,
    LONGEST_TEXT,
    WorkflowJob,
    merge,
    moment,
    read_job,
    text,
    whole,
)
from runnerhub.model.webhook_signature import is_signed, signature_of

VECTOR = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
STATUSES = ("waiting", "pending", "requested", "queued", "in_progress", "completed", "new one")

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)  # fmt: skip
names = [field.name for field in fields(WorkflowJob)] + ["workflow_name"]
raw_jobs = st.dictionaries(st.sampled_from(names), values)
payloads = st.fixed_dictionaries(
    {},
    optional={
        "action": values,
        "workflow_job": values | raw_jobs,
        "workflow_run": values,
        "repository": values | st.fixed_dictionaries({"full_name": values, "owner": values}),
        "installation": values | st.fixed_dictionaries({"id": values, "account": values}),
        "repositories": values,
        "changes": values,
    },
)


# ---------------------------------------------------------------- signatures


def test_the_vector_of_the_reference() -> None:
    signature = signature_of(VECTOR)
    assert signature is not None
    secret = "It's a Secret to Everybody"
    assert is_signed(b"Hello, World!", signature, [secret])
    assert is_signed(b"Hello, World!", signature, ["new", secret, "older"])
    assert not is_signed(b"Hello, World!", signature, ["new", "older"])
    assert not is_signed(b"Hello, World! ", signature, [secret])
    assert not is_signed(b"Hello, World!", signature, [])


@given(st.binary(), st.text(), st.lists(st.text(), max_size=3))
def test_what_is_signed_under_any_secret_fits(body: bytes, secret: str, others: list[str]) -> None:
    digest = hmac.new(secret.encode("utf-8", "surrogatepass"), body, hashlib.sha256).digest()
    assert is_signed(body, digest, [*others, secret]) is bool(secret)
    if secret not in others:
        assert not is_signed(body, digest, [other for other in others if other != secret])
    assert not is_signed(body + b"x", digest, [secret])


@given(st.text() | st.none())
def test_a_signature_has_one_form(header: str | None) -> None:
    assert signature_of(header) is None
    assert signature_of(f"sha256={header}") is None


# ---------------------------------------------------------------- any payload


@given(st.sampled_from(sorted(ROUTED)) | st.text(), payloads)
def test_no_payload_is_an_error(event: str, payload: dict[str, Any]) -> None:
    asks = route(event, payload)
    assert (asks is not None) is (event in ROUTED)
    action_of(payload)
    if asks is not None:
        assert len(asks.stale) <= MOST_TAGS
        assert asks_from_json(asks_to_json(asks)) == asks
        json.dumps(asks.stale).encode()


@given(raw_jobs, values, values, values)
def test_no_job_is_an_error(raw: Any, action: Any, repository: Any, installation: Any) -> None:
    job = read_job(raw, action, repository, installation)
    if job is not None:
        assert 0 < job.id < 2**63
        assert job.status
        assert all(0 < len(label) <= LONGEST_TEXT for label in job.labels)


@given(values)
def test_values_are_taken_or_left(value: Any) -> None:
    assert whole(value) is None or whole(value) == value
    found = text(value)
    assert found is None or "\0" not in found
    at = moment(value)
    assert at is None or at.tzinfo is UTC


def test_moments() -> None:
    noon = datetime(2021, 6, 15, 12, tzinfo=UTC)
    for told in (
        "2021-06-15T12:00:00Z",
        "2021-06-15T14:00:00+02:00",
        noon.timestamp(),
        "2021-06-15T12:00:00",
    ):
        assert moment(told) == noon
    for other in (
        "",
        "yesterday",
        None,
        True,
        1e300,
        10**400,
        float("nan"),
        "0001-01-01T00:00:00+14:00",
    ):
        assert moment(other) is None


# ---------------------------------------------------------------- routes


def payload(**more: Any) -> dict[str, Any]:
    return {
        "action": "queued",
        "repository": {"full_name": "Acme/Web", "owner": {"login": "Acme"}},
        "installation": {"id": 7, "account": {"login": "Acme"}},
    } | more


@pytest.mark.parametrize(
    ("event", "more", "stale"),
    [
        ("workflow_job", {"workflow_job": {"id": 1, "run_id": 9}}, ("runs:acme/web", "run:9")),
        ("workflow_run", {"workflow_run": {"id": 9}}, ("runs:acme/web", "run:9")),
        ("check_run", {}, ("checks:acme/web",)),
        ("push", {}, ("repo:acme/web", "contents:acme/web")),
        ("pull_request", {}, ("pulls:acme/web",)),
        (
            "repository",
            {"changes": {"repository": {"name": {"from": "Old"}}}},
            ("repo:acme/web", "repositories:acme", "repo:acme/old"),
        ),
        (
            "installation",
            {"repositories": [{"full_name": "A/b"}]},
            ("installations", "installation:7", "repositories:acme", "repo:a/b"),
        ),
        (
            "installation_repositories",
            {
                "repositories_added": [{"full_name": "a/b"}, {}],
                "repositories_removed": [{"full_name": "a/c"}],
            },
            ("installations", "installation:7", "repositories:acme", "repo:a/b", "repo:a/c"),
        ),
        ("ping", {}, ()),
    ],
)
def test_what_each_event_makes_stale(event: str, more: Any, stale: tuple[str, ...]) -> None:
    asks = route(event, payload(**more))
    assert asks is not None
    assert (asks.stale, asks.repository, asks.installation_id) == (stale, "Acme/Web", 7)
    assert (asks.job is None) is (event != "workflow_job")


def test_the_status_of_a_job() -> None:
    def status(action: Any = "queued", **raw: Any) -> str:
        job = read_job({"id": 1, **raw}, action, "a/b")
        assert job is not None
        return job.status

    assert status(status="queued") == "queued"
    assert status(status="waiting") == "waiting"
    assert status(status="someday") == "someday"
    assert status("waiting") == "waiting"
    assert status(None) == "unknown"
    assert status("in_progress", status="in_progress", conclusion="failure") == "completed"
    assert status("completed", status="in_progress") == "completed"
    assert route("workflow_job", {}) == Action()


# ---------------------------------------------------------------- moving forward

told_jobs = st.builds(
    WorkflowJob,
    st.just(1),
    st.just("a/b"),
    st.sampled_from(STATUSES),
    st.sampled_from([(), ("x",), ("x", "Y")]),
    conclusion=st.sampled_from([None, "success"]),
    runner_name=st.sampled_from([None, "r1"]),
    run_id=st.sampled_from([None, 7]),
)


@given(told_jobs, told_jobs)
def test_a_job_never_goes_back(known: WorkflowJob, told: WorkflowJob) -> None:
    merged = merge(known, told)
    assert merged.rank == max(known.rank, told.rank)
    assert merge(merged, told) == merged
    assert merge(merged, merged) == merged
    for name in ("labels", "runner_name", "run_id", "conclusion"):
        said = [getattr(job, name) for job in (known, told) if getattr(job, name)]
        assert bool(getattr(merged, name)) is bool(said)


@given(st.lists(told_jobs, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_in_whatever_order_it_is_told_it_ends_as_far(told: list[WorkflowJob], rng: Any) -> None:
    def end(order: list[WorkflowJob]) -> WorkflowJob:
        job = order[0]
        for each in order[1:]:
            job = merge(job, each)
        return job

    one = end(told)
    shuffled = list(told)
    rng.shuffle(shuffled)
    other = end(shuffled)
    assert one.rank == other.rank
    assert one.runner_name == other.runner_name
    assert one.run_id == other.run_id
    if one.rank:
        assert one.status == other.status


def test_the_time_it_was_first_seen_stays() -> None:
    now = datetime.now(UTC)
    known = WorkflowJob(1, "a/b", "queued", first_seen_at=now, heard_at=now)
    told = replace(known, status=COMPLETED, first_seen_at=None, heard_at=now + timedelta(1))
    merged = merge(known, told)
    assert (merged.status, merged.first_seen_at, merged.heard_at) == (COMPLETED, now, now)


def test_who_may_take_it() -> None:
    job = WorkflowJob(1, "a/b", "queued", ("Self-Hosted", "gpu"))
    assert job.fits(frozenset({"self-hosted", "gpu", "linux"}))
    assert not job.fits(frozenset({"self-hosted"}))
