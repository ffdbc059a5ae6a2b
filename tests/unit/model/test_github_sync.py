"""What is read of GitHub's answers, whatever they are, and how often they are asked for."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerhub.model.github_sync import Kind, listed, read_run, read_things, told_by
from runnerhub.model.github_sync_pace import bounds, next_interval

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
NAMES = (
    "id", "full_name", "owner", "name", "labels", "status", "conclusion", "run_attempt",
    "updated_at", "archived", "workflow_runs", "runners",
)  # fmt: skip
ITEM = st.dictionaries(st.sampled_from(NAMES), JSON | st.integers(1, 9), max_size=12)


@given(kind=st.sampled_from(Kind), answer=JSON | ITEM | st.lists(ITEM, max_size=3))
def test_no_answer_is_an_error(kind: Kind, answer: Any) -> None:
    for item in [*listed(kind, answer), answer if isinstance(answer, dict) else {}]:
        for thing in read_things(kind, [item], "acme/web"):
            assert thing.id > 0
            json.dumps(thing.data)


def run(status: str, second: int = 0, attempt: int = 1, conclusion: str | None = None) -> str:
    raw = {"id": 1, "status": status, "run_attempt": attempt, "conclusion": conclusion}
    found = read_run(raw | {"updated_at": f"2026-01-01T00:00:{second:02d}Z"}, "acme/web")
    assert found is not None
    return found.version


def test_versions_of_a_run_follow_its_life() -> None:
    life = [
        run("queued"),
        run("in_progress"),  # within the same second
        run("completed", conclusion="success"),
        run("queued", 1, attempt=2),
        run("in_progress", 10, attempt=2),
        run("completed", 9, attempt=10),
    ]
    assert life == sorted(life)
    assert len(set(life)) == len(life)


@given(
    kind=st.sampled_from(Kind),
    before=st.floats(0, 1e6),
    lively=st.booleans(),
    told=st.booleans(),
)
def test_an_interval_is_within_its_bounds(
    kind: Kind, before: float, *, lively: bool, told: bool
) -> None:
    least, most = bounds(kind, told=told)
    found = next_interval(kind, before, lively=lively, told=told)
    assert least <= found <= most
    if lively:
        assert found == least


def test_quiet_places_are_asked_ever_more_rarely() -> None:
    seconds, seen = 0.0, []
    for _ in range(12):
        seconds = next_interval(Kind.RUNS, seconds, lively=False, told=False)
        seen.append(seconds)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == bounds(Kind.RUNS, told=False)


@pytest.mark.parametrize(
    ("tags", "told", "soon"),
    [
        (["runs:Acme/Web", "run:1"], {"acme/web"}, set()),
        (["repo:a/b", "contents:a/b"], {"a/b"}, {(Kind.WORKFLOWS, "a/b")}),
        (["repositories:a"], set(), {(Kind.REPOSITORIES, "")}),
        (["installations", "installation:1"], set(), {(Kind.REPOSITORIES, "")}),
        (["pulls:a/b", "checks:a/b"], set(), set()),
    ],
)
def test_what_webhooks_tell(tags: list[str], told: set[str], soon: set[Any]) -> None:
    assert told_by(tags) == (frozenset(told), frozenset(soon))
