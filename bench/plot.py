"""A result as SVG: one bar a figure, one chart a unit. Needs pygal, which `make dev` installs."""

from itertools import groupby
from pathlib import Path

import pygal

from bench.result import Result


def draw(result: Result, path: Path) -> Path:
    """Draw the figures of the unit that most of them have."""
    figures = sorted(result.figures, key=lambda figure: figure.unit)
    groups = [list(group) for _, group in groupby(figures, key=lambda figure: figure.unit)]
    biggest = max(groups, key=len)
    chart = pygal.HorizontalBar(
        title=f"{result.scenario} ({biggest[0].unit})",
        show_legend=False,
        print_values=True,
        truncate_label=-1,
        js=[],
    )
    chart.x_labels = [figure.name for figure in biggest]
    chart.add(result.scenario, [round(figure.value, 2) for figure in biggest])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(chart.render())
    return path
