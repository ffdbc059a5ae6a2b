"""`python -m bench.all`: every scenario once, each in a process of its own, for figures to publish.

The order puts what a warm machine disturbs least first. A scenario that fails, or misses a goal,
is told at the end and does not keep the others from running.
"""

import argparse
import subprocess
import sys

from bench.__main__ import MISSED
from bench.scenarios import names

# Small enough to see within minutes that all of them work.
QUICK = {
    "accept": ["--clients", "1", "16", "--seconds", "1"],
    "status": ["--clients", "1", "16", "--seconds", "1"],
    "mailbox": ["--rounds", "1"],
    "restart": ["--crashes", "5"],
    "spawn": ["--counts", "1000"],
    "console_cost": ["--rounds", "1", "--actors", "1000", "--seconds", "1"],
    "idle": ["--seconds", "2"],
    "budget": ["--limit", "500"],
    "queue": ["--rounds", "1", "--jobs", "2000", "--alone", "200"],
    "sim_hosts": ["--jobs", "300", "--hosts", "10"],
    "sync": ["--repositories", "20", "--busy", "2", "--hours", "1"],
    "dispatch": ["--jobs", "300", "--hosts", "10", "--seconds", "5"],
    "cancel_to_reap": ["--rounds", "4"],
    "overhead": ["--rounds", "2", "--waves", "1", "--each", "2"],
    "recovery": ["--jobs", "40", "--hosts", "4", "--real-jobs", "8", "--rounds", "1"],
    "running": ["--jobs", "500", "--hosts", "10", "--seconds", "5"],
    "soak": ["--minutes", "1", "--rate", "10"],
}
PATIENCE = 3600.0
LAST = ("dispatch", "cancel_to_reap", "overhead", "recovery", "running", "soak")


def main() -> int:
    """Run all; return 1 where one failed or missed a goal."""
    parser = argparse.ArgumentParser(prog="python -m bench.all", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, and nothing is saved")
    parser.add_argument("--only", nargs="+", choices=names(), help="these alone")
    options = parser.parse_args()
    first = [name for name in names() if name not in LAST]
    chosen = [name for name in (*first, *LAST) if name in (options.only or names())]
    failed, missed = [], []
    for name in chosen:
        more = [*QUICK.get(name, []), "--no-save"] if options.quick else ["--check"]
        match run([sys.executable, "-m", "bench", name, *more]):
            case 0:
                pass
            case code if code == MISSED:
                missed.append(name)
            case _:
                failed.append(name)
        print(flush=True)
    print(f"missed a goal: {', '.join(missed) or 'none'}")
    print(f"failed: {', '.join(failed) or 'none'}")
    return bool(failed or missed)


def run(command: list[str]) -> int:
    """Run a scenario; return its exit code, -1 where it did not end in time."""
    try:
        return subprocess.run(command, check=False, timeout=PATIENCE).returncode
    except subprocess.TimeoutExpired:
        print(f"not within {PATIENCE} s: {' '.join(command)}")
        return -1


if __name__ == "__main__":
    sys.exit(main())
