from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.lines import Axis, Panel, draw_lines, round_step


@pytest.mark.parametrize(
    ("value", "step"),
    [(1.0, 1.0), (1.1, 2.0), (2.03, 2.0), (2.1, 5.0), (7.0, 10.0), (833.0, 1000.0), (0.03, 0.05)],
)
def test_a_step_is_round(value: float, step: float) -> None:
    assert round_step(value) == pytest.approx(step)


def test_an_axis_begins_at_zero_and_may_point_upwards() -> None:
    axis = Axis(60.0, 200.0, 20.0)
    assert [axis.at(value) for value in (0, 30, 60)] == [200, 110, 20]
    assert axis.ticks() == [0, 10, 20, 30, 40, 50, 60]


def test_panels_share_their_time(tmp_path: Path) -> None:
    short, long = [(0.0, 0.0), (5.0, 0.0)], [(0.0, 1.0), (10.0, 0.0)]
    panels = [Panel("one", "s", {"a < b": short}, (2.0, 4.0)), Panel("two", "s", {"c": long})]
    drawn = ET.parse(draw_lines(panels, tmp_path / "it.svg"))  # noqa: S314 - our own
    lines = drawn.findall("{*}polyline")
    assert lines[0].get("points") == "70.0,196.0 405.0,196.0"
    assert (lines[1].get("points") or "").endswith(" 740.0,426.0")
