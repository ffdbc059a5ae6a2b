"""A result as SVG: a bar for each figure of the unit that most of them have."""

from collections import Counter, defaultdict
from pathlib import Path
from xml.sax.saxutils import escape

from bench.result import Figure, Result, number

ROW, LABELS, BARS, VALUES, MARGIN = 22, 230, 420, 110, 14
OURS, OTHERS, GOAL = "#2f6f9f", "#b9c4cc", "#c0392b"


def draw(result: Result, path: Path) -> Path:
    """Draw bars, one scale for each thing; RunnerHub's stand out, and a line marks a goal."""
    unit, _ = Counter(figure.unit for figure in result.figures).most_common(1)[0]
    figures = [figure for figure in result.figures if figure.unit == unit]
    longest: dict[str, float] = defaultdict(lambda: 1e-9)
    for figure in figures:
        what = _what(figure)
        longest[what] = max(longest[what], figure.value, figure.goal or 0.0)
    width, height = LABELS + BARS + VALUES, ROW * (len(figures) + 2) + MARGIN
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            'font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{width}" height="{height}" fill="white"/>',
        (
            f'<text x="{MARGIN}" y="{ROW}" font-size="14">{escape(result.scenario)} '
            f"({escape(unit)}), {result.at[:10]}, {result.source['commit'][:10]}</text>"
        ),
        *(
            _bar(figure, ROW * (row + 2), longest[_what(figure)])
            for row, figure in enumerate(figures)
        ),
        "</svg>",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def _what(figure: Figure) -> str:
    return figure.name.partition(".")[0]


def _bar(figure: Figure, top: int, longest: float) -> str:
    length = BARS * figure.value / longest
    ours = "runnerhub" in figure.name or figure.goal is not None
    text = top + ROW * 0.6
    marks = [
        f'<text x="{LABELS - 8}" y="{text:.0f}" text-anchor="end">{escape(figure.name)}</text>',
        (
            f'<rect x="{LABELS}" y="{top}" width="{length:.1f}" height="{ROW - 5}" '
            f'fill="{OURS if ours else OTHERS}"/>'
        ),
        f'<text x="{LABELS + length + 6:.0f}" y="{text:.0f}">{number(figure.value)}</text>',
    ]
    if figure.goal is not None:
        at = LABELS + BARS * figure.goal / longest
        marks.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top - 2}" y2="{top + ROW - 3}" '
            f'stroke="{GOAL}" stroke-width="2"/>'
        )
    return "\n".join(marks)
