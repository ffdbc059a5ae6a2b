"""What a node does that has nothing to do: wake-ups a second, memory, processor time."""

import argparse
import time

from bench.node import a_node
from bench.result import Better, Figure

RESIDENT_MB = 120.0
SETTLE_SECONDS = 5.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how long to look."""
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--docker-host", action="append", default=[], metavar="NAME=URL")


def run(options: argparse.Namespace) -> list[Figure]:
    """Look at the process alone: its embedded servers are not counted."""
    arguments = [word for host in options.docker_host for word in ("--docker-host", host)]
    with a_node(arguments) as node:
        time.sleep(SETTLE_SECONDS)
        before, cpu = node.sleeps(), node.cpu_seconds()
        time.sleep(options.seconds)
        # Counters subtract thread by thread: one that has ended meanwhile takes nothing away.
        wakeups = (node.sleeps() - before).total()
        cpu = node.cpu_seconds() - cpu
        memory = node.resident()
    return [
        Figure("idle.wakeups", wakeups / options.seconds, "/s", Better.LOWER),
        Figure("idle.cpu", cpu / options.seconds * 100, "% of a core", Better.LOWER),
        Figure("idle.resident", memory / 1e6, "MB", Better.LOWER, RESIDENT_MB),
    ]
