"""The formulas of the budget, for every limit, moment and class."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerhub.model.budget import (
    BudgetStrategy,
    Curve,
    DecayingRate,
    Priority,
    curve,
    exhaustion,
    reserve,
)

HOUR = 3600.0

strategies = st.sampled_from(BudgetStrategy)
limits = st.integers(1, 20_000)
lefts = st.floats(0.0, HOUR)
rates = st.floats(0.0, 10.0)


def floors(strategy: BudgetStrategy, limit: int, left: float, rate: float) -> list[int]:
    return [
        curve(strategy, priority, limit=limit, left=left, dispatch_rate=rate).floor(
            limit, left / HOUR
        )
        for priority in Priority
    ]


@given(strategies, limits, lefts, rates)
def test_a_higher_class_may_draw_further_down(
    strategy: BudgetStrategy, limit: int, left: float, rate: float
) -> None:
    dispatch, reconcile, sync = floors(strategy, limit, left, rate)
    assert dispatch == 0
    assert 0 <= reconcile <= sync <= limit
    assert sync >= math.floor(reserve(strategy, limit, left, rate) * limit)


@given(strategies, limits, lefts, lefts, rates)
def test_a_floor_only_falls_while_the_window_passes(
    strategy: BudgetStrategy, limit: int, one: float, other: float, rate: float
) -> None:
    earlier, later = max(one, other), min(one, other)
    before = floors(strategy, limit, earlier, rate)
    after = floors(strategy, limit, later, rate)
    assert all(a <= b for a, b in zip(after, before, strict=True))


@given(
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    limits,
    st.integers(0, 20_000),
    st.floats(0.0, HOUR),
)
def test_a_wait_is_long_enough_and_no_longer(
    base: float, slope: float, limit: int, remaining: int, left: float
) -> None:
    floor = Curve(base, slope)
    wait = floor.wait(limit, remaining, left, HOUR)
    assert 0.0 <= wait <= left

    def allowed(after: float) -> bool:
        return remaining - 1 >= floor.floor(limit, max(0.0, left - after) / HOUR)

    if wait == 0.0:
        assert allowed(0.0) or left < 1e-3 or allowed(1e-3)
    elif wait < left:
        assert allowed(min(left, wait + 0.1 + HOUR * 1e-6))
        assert not allowed(0.0)


@given(limits, lefts, rates, rates)
def test_the_adaptive_reserve_follows_what_dispatching_takes(
    limit: int, left: float, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    adaptive = BudgetStrategy.ADAPTIVE
    assert reserve(adaptive, limit, left, low) <= reserve(adaptive, limit, left, high)
    assert 0.02 <= reserve(adaptive, limit, left, high) <= 0.5


def test_the_strategies_as_they_are_documented() -> None:
    at_start = {s: floors(s, 5000, HOUR, 0.1) for s in BudgetStrategy}
    assert at_start[BudgetStrategy.CONSERVATIVE] == [0, 2750, 5000]
    assert at_start[BudgetStrategy.AGGRESSIVE] == [0, 125, 250]
    assert at_start[BudgetStrategy.ADAPTIVE] == [0, 1453, 2770]
    at_end = {s: floors(s, 5000, 0.0, 0.1) for s in BudgetStrategy}
    assert at_end[BudgetStrategy.CONSERVATIVE] == [0, 500, 1000]
    assert at_end[BudgetStrategy.ADAPTIVE] == [0, 50, 100]


@given(strategies, st.integers(100, 5000), st.integers(1, 60))
def test_a_greedy_sync_leaves_the_reserve_whatever_it_tries(
    strategy: BudgetStrategy, limit: int, steps: int
) -> None:
    remaining = limit
    for step in range(steps + 1):
        left = HOUR * (1 - step / steps)
        floor = curve(strategy, Priority.SYNC, limit=limit, left=left).floor(limit, left / HOUR)
        remaining = min(remaining, max(floor, 0))
    assert remaining >= math.floor(limit * reserve(strategy, limit, 0.0, 0.0))


@pytest.mark.parametrize(
    ("remaining", "left", "rate", "expected"),
    [(100, 60, 10, 10), (100, 60, 1, math.inf), (100, 60, 0, math.inf), (0, 60, 1, 0)],
)
def test_exhaustion_is_forecast(remaining: int, left: float, rate: float, expected: float) -> None:
    assert exhaustion(remaining, left, rate) == expected


def test_a_rate_forgets() -> None:
    rate = DecayingRate(half_life=10.0)
    for second in range(200):
        rate.note(3, 1e6 + second)
    assert rate.at(1e6 + 200) == pytest.approx(3, rel=0.1)
    assert rate.at(1e6 + 210) == pytest.approx(1.5, rel=0.1)
