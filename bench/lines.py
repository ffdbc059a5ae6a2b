"""Series as SVG: panels below each other, each with a line for each series over one common time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from bench.result import number

COLOURS = ("#2f6f9f", "#c0392b", "#2e8b57", "#8e6bbf")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BELOW = 760, 230, 70, 20, 46, 34
TICKS = 6

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart.

    Attributes:
        series: points (x, y) by name, y at 0 or above.
        shaded: from where to where on x something happened.
    """

    title: str
    x_label: str
    series: Mapping[str, Points]
    shaded: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from 0 to `most`, onto pixels from `begin` to `end`."""

    most: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.begin + (self.end - self.begin) * value / self.most

    def ticks(self) -> list[float]:
        """Return the values to write at the axis: multiples of a round step, some six of them."""
        step = round_step(self.most / TICKS)
        return [step * n for n in range(math.floor(self.most / step + 1e-9) + 1)]


def round_step(value: float) -> float:
    """Return the least of 1, 2, 5 and their tens, tenths and so on that is hardly less (2 %)."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= value * 0.98)


def draw_lines(panels: Sequence[Panel], path: Path) -> Path:
    """Draw them; a series has the same colour in all panels where it has the same place."""
    height = HEIGHT * len(panels)
    x = Axis(_most(panels, 0), LEFT, WIDTH - RIGHT)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            'font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *(mark for row, panel in enumerate(panels) for mark in _panel(panel, x, HEIGHT * row)),
        "</svg>",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def _most(panels: Sequence[Panel], coordinate: int) -> float:
    """Return the largest of a coordinate, x for 0 and y for 1; 1 where all are 0."""
    series = [points for panel in panels for points in panel.series.values()]
    return max(point[coordinate] for points in series for point in points) or 1.0


def _panel(panel: Panel, x: Axis, top: int) -> list[str]:
    bottom = top + HEIGHT - BELOW
    y = Axis(_most([panel], 1) * 1.02, bottom, top + TOP)
    marks = [f'<text x="{LEFT}" y="{top + 18}" font-size="14">{escape(panel.title)}</text>']
    if panel.shaded is not None:
        begin, end = map(x.at, panel.shaded)
        marks.append(
            f'<rect x="{begin:.1f}" y="{top + TOP}" width="{end - begin:.1f}" '
            f'height="{bottom - top - TOP}" fill="#f1ead2"/>'
        )
    for value in y.ticks():
        at = y.at(value)
        marks += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>',
        ]
    marks += [
        f'<text x="{x.at(value):.1f}" y="{bottom + 15}" text-anchor="middle">{number(value)}</text>'
        for value in x.ticks()
    ]
    marks.append(
        f'<text x="{WIDTH - RIGHT}" y="{bottom + 29}" text-anchor="end">'
        f"{escape(panel.x_label)}</text>"
    )
    for place, (name, series) in enumerate(panel.series.items()):
        colour, begin = COLOURS[place % len(COLOURS)], LEFT + 130 * place
        path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in series)
        # The lower ones are wider, so that lines that lie on each other are seen.
        stroke = 1.6 + 1.2 * (len(panel.series) - 1 - place)
        marks += [
            (
                f'<polyline points="{path}" fill="none" stroke="{colour}" '
                f'stroke-width="{stroke:.1f}"/>'
            ),
            f'<rect x="{begin}" y="{top + 29}" width="16" height="4" fill="{colour}"/>',
            f'<text x="{begin + 22}" y="{top + 36}">{escape(name)}</text>',
        ]
    return marks
