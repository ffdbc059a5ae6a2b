"""`python -m bench.compare A B`: two results side by side, and what B is of A."""

import argparse
from pathlib import Path

from bench.result import RESULTS, Better, Figure, Result, columns, number

NOISE = 0.05  # a difference of less than this says nothing


def compare(before: Result, after: Result) -> str:
    """Return a table of the figures that both have, and say where machines or versions differ."""
    rows = [("", "A", "B", "unit", "B/A", "")]
    for old in before.figures:
        new = after.figure(old.name)
        if new is not None:
            ratio = new.value / old.value if old.value else float("nan")
            values = (number(old.value), number(new.value), old.unit, f"{ratio:.2f}")
            rows.append((old.name, *values, _word(old, ratio)))
    return "\n".join([*_differences(before, after), columns(rows)])


def _word(figure: Figure, ratio: float) -> str:
    if figure.better is Better.NEITHER or not abs(ratio - 1) >= NOISE:
        return ""
    return "better" if (ratio > 1) == (figure.better is Better.HIGHER) else "WORSE"


def _differences(before: Result, after: Result) -> list[str]:
    parts = (
        ("machine", before.machine, after.machine),
        ("versions", before.versions, after.versions),
        ("options", before.options, after.options),
    )
    return [
        f"{part}.{key} differs: {old.get(key)} and {new.get(key)}"
        for part, old, new in parts
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and key not in ("load_before", "load_after")
    ]


def find(name: str) -> Path:
    """Return a path as it is, and a bare name as a file in `bench/results`."""
    path = Path(name)
    return path if path.exists() else RESULTS / f"{name}.json"


def main() -> None:
    """Print two results side by side."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("a", help="a result file, or a name in bench/results")
    parser.add_argument("b")
    options = parser.parse_args()
    print(compare(Result.load(find(options.a)), Result.load(find(options.b))))


if __name__ == "__main__":
    main()
