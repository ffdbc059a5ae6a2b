"""`python -m bench SCENARIO [options] [--json]`."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import machine, source, versions
from bench.plot import draw
from bench.result import RESULTS, Result
from bench.scenarios import names, scenarios

MISSED = 3  # what Python itself never exits with


def parser(*wanted: str) -> argparse.ArgumentParser:
    """Return the command line: one subcommand for each scenario, or for those alone."""
    top = argparse.ArgumentParser(prog="python -m bench", description="Measure RunnerHub.")
    chosen = top.add_subparsers(dest="scenario", required=True, metavar="SCENARIO")
    for name, scenario in scenarios(*wanted).items():
        about = (scenario.__doc__ or "").partition("\n")[0]
        one = chosen.add_parser(name, help=about, description=about)
        one.add_argument("--json", action="store_true", help="print the result as JSON, last")
        one.add_argument("--name", default=name, help="save as bench/results/NAME.json")
        one.add_argument("--no-save", action="store_true", help="do not save the result")
        one.add_argument("--check", action="store_true", help="exit with 3 on a missed goal")
        one.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the figures, too")
        scenario.add_options(one)
        one.set_defaults(run=scenario.run)
    return top


def main() -> int:
    """Run one scenario; with --check, exit with 3 where a figure misses its goal."""
    # What is not asked for is not imported: it may be broken, or need what is not installed.
    options = parser(*(name for name in sys.argv[1:2] if name in names())).parse_args()
    began_at, measured = datetime.now(UTC), source()
    figures = options.run(options)
    own = {"run", "scenario", "json", "name", "no_save", "check", "plot"}
    result = Result(
        scenario=options.scenario,
        at=began_at.isoformat(timespec="seconds"),
        options={key: value for key, value in vars(options).items() if key not in own},
        machine=machine(),
        versions=versions(),
        source=measured,
        figures=tuple(figures),
    )
    print(result.table())
    if not options.no_save:
        print(f"saved as {result.save(RESULTS / f'{options.name}.json')}")
    if options.plot is not None:
        print(f"drawn as {draw(result, options.plot)}")
    if options.json:
        print(json.dumps(result.to_json()))
    missed = any(figure.met is False for figure in figures)
    return MISSED if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
