import argparse

import pytest

from bench.budget_hour import BURST_BEGIN, BURST_SECONDS, SHARES, demand
from bench.scenarios import budget
from runnerhub.model.budget import BudgetStrategy, Priority
from tests.simulation.github.fake import HOUR


def test_demand_is_three_times_the_limit_whatever_the_burst() -> None:
    calls = demand(1000, seed=1)
    for priority, share in SHARES.items():
        assert sum(call.priority is priority for call in calls) == 3000 * share
    times = [call.asked_at for call in calls]
    assert times == sorted(times)
    assert 0.0 <= times[0] <= times[-1] <= HOUR
    in_burst = [
        call
        for call in calls
        if call.priority is Priority.DISPATCH
        and BURST_BEGIN <= call.asked_at <= BURST_BEGIN + BURST_SECONDS
    ]
    assert len(in_burst) >= 80


def test_a_small_hour_adds_up() -> None:
    options = argparse.Namespace(limit=200, seed=1)
    hour = budget.an_hour(BudgetStrategy.ADAPTIVE, options)
    found = {figure.name: figure for figure in budget.figures("it", hour)}
    made = sum(found[f"made.it.{priority.name.lower()}"].value for priority in Priority)
    assert made == found["made.it.all"].value
    # GitHub may not have counted yet what was sent just before the reset.
    assert made == pytest.approx(200 - found["remaining_at_reset.it"].value, abs=2)
    assert [figure.name for figure in found.values() if figure.met is False] == []
    for panel in budget.panels({"it": hour}):
        assert len(panel.series["it"]) > 20
