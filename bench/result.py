"""What a scenario found: figures, and all that is needed to judge them later."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

RESULTS = Path(__file__).parent / "results"


class Better(StrEnum):
    """Which way a figure improves."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        name: dotted, the thing before its variant: `ask.runtime`.
        goal: what the value should reach; for `LOWER`, what it should stay under.
    """

    name: str
    value: float
    unit: str
    better: Better = Better.NEITHER
    goal: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better is Better.HIGHER else self.value <= self.goal


@dataclass(frozen=True, slots=True)
class Result:
    """One run of one scenario."""

    scenario: str
    at: str
    options: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, str]
    source: dict[str, Any]
    figures: tuple[Figure, ...]

    def figure(self, name: str) -> Figure | None:
        """Return the figure of this name, if there is one."""
        return next((figure for figure in self.figures if figure.name == name), None)

    def table(self) -> str:
        """Return the figures as text, one a line."""
        rows = [
            (figure.name, number(figure.value), figure.unit, _verdict(figure))
            for figure in self.figures
        ]
        dirty = " and changes" if self.source["dirty"] else ""
        load = self.machine["load_before"]
        after = self.machine.get("load_after")
        then = "" if after is None else f", after {after:.1f}"
        commit = self.source["commit"][:12]
        head = f"{self.scenario} · {commit}{dirty} · load before {load:.1f}{then}"
        return f"{head}\n{columns(rows)}"

    def save(self, path: Path) -> Path:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), indent=1) + "\n")
        return path

    def to_json(self) -> dict[str, Any]:
        """Return it as what `json.dumps` takes."""
        return asdict(self)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` has written."""
        data = json.loads(path.read_text())
        figures = [{**one, "better": Better(one["better"])} for one in data.pop("figures")]
        return cls(figures=tuple(Figure(**figure) for figure in figures), **data)


def with_goals(figures: Sequence[Figure], goals: Mapping[str, float]) -> list[Figure]:
    """Return the figures, those that are named with their goals."""
    return [replace(figure, goal=goals.get(figure.name, figure.goal)) for figure in figures]


def number(value: float) -> str:
    """Return a number with as many digits as matter."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text: the first column to the left, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit()


def _verdict(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    sign = "≥" if figure.better is Better.HIGHER else "≤"
    return f"goal {sign} {number(figure.goal)}: {'met' if figure.met else 'MISSED'}"
