from dataclasses import replace
from pathlib import Path

import pytest

from bench.compare import compare
from bench.machine import machine, source, versions
from bench.measure import in_turns, percentile
from bench.result import Better, Figure, Result, with_goals


def a_result(*figures: Figure) -> Result:
    return Result("mailbox", "2026-01-01", {}, machine(), versions(), source(), figures)


RATE = Figure("ask.rate", 1000.0, "/s", Better.HIGHER)
LATENCY = Figure("ask.p99", 5.0, "ms", Better.LOWER)


def test_a_saved_result_is_read_back_whole(tmp_path: Path) -> None:
    result = a_result(RATE, replace(LATENCY, goal=4.0))
    assert Result.load(result.save(tmp_path / "deep" / "a.json")) == result


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (RATE, None),
        (replace(RATE, goal=1000.0), True),
        (replace(RATE, goal=1001.0), False),
        (replace(LATENCY, goal=5.0), True),
        (replace(LATENCY, goal=4.9), False),
    ],
)
def test_a_goal_is_met_or_not(figure: Figure, met: bool | None) -> None:  # noqa: FBT001
    assert figure.met is met
    assert ("MISSED" in a_result(figure).table()) is (met is False)


def test_goals_are_given_by_name() -> None:
    assert [f.goal for f in with_goals([RATE, LATENCY], {"ask.p99": 1.0})] == [None, 1.0]


def test_two_results_stand_side_by_side() -> None:
    before = a_result(RATE, LATENCY)
    after = a_result(replace(RATE, value=1500.0), replace(LATENCY, value=10.0), Figure("x", 1, "s"))
    rate, latency = compare(before, after).splitlines()[-2:]
    assert rate.split() == ["ask.rate", "1,000", "1,500", "/s", "1.50", "better"]
    assert latency.split() == ["ask.p99", "5", "10", "ms", "2.00", "WORSE"]


def test_a_comparison_says_where_the_machines_differ() -> None:
    before = a_result(RATE)
    after = replace(before, machine={**before.machine, "cores": 64})
    assert compare(before, after).startswith("machine.cores differs: ")


def test_variants_take_turns_and_medians_are_reported() -> None:
    values = {"a": [1.0, 9.0, 2.0], "b": [5.0, 5.0, 5.0]}
    turns: list[str] = []

    def measure(name: str) -> float:
        turns.append(name)
        return values[name].pop()

    assert in_turns(3, {"a": lambda: measure("a"), "b": lambda: measure("b")}) == {"a": 2, "b": 5}
    assert "".join(turns) == "ababab"


def test_percentiles() -> None:
    assert [percentile(range(100), percent) for percent in (0, 50, 99, 100)] == [0, 50, 99, 99]
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)
