"""What the console costs a tree of many actors: no door, a door, a guest who never rests.

The load tells messages, and starts and stops actors in bursts. The garbage collector is counted
apart: a pass over what is young takes as long as there are parked actors that have moved since the
last one, whoever happens to call for it.
"""

import argparse
import ast
import gc
import inspect
import json
import random
import sys
import tempfile
import textwrap
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter, process_time, thread_time
from typing import TYPE_CHECKING, Any, cast

import trio

from bench.measure import cpu_rate, in_turns, percentile
from bench.memory import in_new_process
from bench.result import Better, Figure
from runnerhub.console.desk import Desk
from runnerhub.console.door import Door
from runnerhub.runtime import ActorContext, ChildSpec, Restart, Root, Supervisor

if TYPE_CHECKING:
    from runnerhub.ports.hub import Hub

TICK_SECONDS = 0.001
BURST = 10
BURST_SECONDS = 0.002
BURST_ACTORS = 50
BURST_ACTORS_SECONDS = 0.5
HELD_MS = 5.0
MESSAGES = 100_000
TAPPED = 2  # methods of a context that know of taps: at the begin and the end of a message

PHASES = ("no_door", "door", "guest")


@dataclass(slots=True)
class Seen:
    """What one phase showed.

    Attributes:
        late: seconds by which a task that sleeps 1 ms woke late; neighbours of the machine count.
        held: processor seconds that the thread worked between two wakings of that task, without
            the collector: the most that anything held the loop, whatever the neighbours do.
        collecting: processor seconds of each pass of the collector.
    """

    late: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    collecting: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0
    seconds: float = 0.0
    commands: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how many actors there are, and for how long they are looked at."""
    parser.add_argument("--actors", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each phase in each round")
    parser.add_argument("--rounds", type=int, default=3)


def run(options: argparse.Namespace) -> list[Figure]:
    """Measure the loop in three phases in turns, then the price of a message."""
    seen = in_new_process(measure, options.actors, options.seconds, options.rounds)
    figures: list[Figure] = []
    for phase in PHASES:
        each = seen[phase]
        goal = HELD_MS if phase == "guest" else None
        figures += [
            Figure(f"held_max.{phase}", max(each.held) * 1e3, "ms", Better.LOWER, goal),
            Figure(f"held_p99.{phase}", percentile(each.held, 99) * 1e3, "ms", Better.LOWER),
            Figure(f"late_max.{phase}", max(each.late) * 1e3, "ms", Better.LOWER),
            Figure(f"late_p99.{phase}", percentile(each.late, 99) * 1e3, "ms", Better.LOWER),
            Figure(f"collecting_max.{phase}", max(each.collecting, default=0.0) * 1e3, "ms"),
            Figure(f"collections.{phase}", len(each.collecting) / each.seconds, "/s"),
            Figure(f"cpu.{phase}", each.cpu_seconds / each.seconds * 100, "%", Better.LOWER),
        ]
    for command, spent in sorted(seen["guest"].commands.items()):
        figures += [
            Figure(f"command.{command}", percentile(spent, 50) * 1e3, "ms", Better.LOWER),
            Figure(f"command_count.{command}", len(spent), "calls"),
        ]
    rates = in_turns(
        options.rounds * 2 + 1,
        {
            name: partial(in_new_process, message_rate, name)
            for name in ("bare", "unrecorded", "recorded")
        },
    )
    figures += [Figure(f"messages.{name}", rate, "/s") for name, rate in rates.items()]
    ratio = rates["unrecorded"] / rates["bare"]
    return [*figures, Figure("messages.unrecorded_of_bare", ratio, "of 1", Better.HIGHER)]


# ------------------------------------------------------------------------------ the loop


def measure(actors: int, seconds: float, rounds: int) -> dict[str, Seen]:
    """Run a tree under a light load, and look at its loop in each phase, in turns."""
    return trio.run(_measure, actors, seconds, rounds)


async def _measure(actors: int, seconds: float, rounds: int) -> dict[str, Seen]:
    found = {phase: Seen() for phase in PHASES}
    doors, jobs = Supervisor("doors"), Supervisor("jobs")
    root = Root(Supervisor("root", [jobs.spec(), doors.spec()]).spec())
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        nursery.start_soon(_burst, jobs)
        for number in range(actors):
            spec = ChildSpec(f"job-{number}", _worker, kind="job", restart=Restart.TEMPORARY)
            await jobs.start_child(spec)
        gc.collect()
        nursery.start_soon(_load, root, actors)
        with tempfile.TemporaryDirectory() as folder:
            door = Door(Desk(root, cast("Hub", None), str), Path(folder))
            spec = ChildSpec("console", door.run, kind="console", restart=Restart.TEMPORARY)
            for _ in range(rounds):
                async with _watch(found["no_door"]):
                    await trio.sleep(seconds)
                await doors.start_child(spec)
                async with _watch(found["door"]):
                    await trio.sleep(seconds)
                guest = await _guest(folder, seconds, actors, found["guest"])
                for command, spent in guest.items():
                    found["guest"].commands[command] += spent
                await doors.stop_child("console")
        nursery.cancel_scope.cancel()
    return found


async def _guest(folder: str, seconds: float, actors: int, seen: Seen) -> dict[str, list[float]]:
    command = [sys.executable, "-m", "bench.console_guest", folder, str(seconds), str(actors)]
    async with _watch(seen):
        done = await trio.run_process(command, capture_stdout=True)
    answer: dict[str, list[float]] = json.loads(done.stdout)
    return answer


async def _worker(ctx: ActorContext[int]) -> None:
    ctx.started()
    async for _ in ctx:
        pass


async def _load(root: Root, actors: int) -> None:
    """Tell 5,000 messages a second."""
    while True:
        for _ in range(BURST):
            number = random.randrange(actors)  # noqa: S311 - no secret
            root.registry.ref(f"job-{number}").tell(number)
        await trio.sleep(BURST_SECONDS)


async def _burst(jobs: Supervisor) -> None:
    """Start 50 actors every half second, and stop them."""
    while True:
        names = [f"burst-{number}" for number in range(BURST_ACTORS)]
        for name in names:
            await jobs.start_child(ChildSpec(name, _worker, restart=Restart.TEMPORARY))
        await trio.sleep(BURST_ACTORS_SECONDS)
        for name in names:
            await jobs.stop_child(name)


@asynccontextmanager
async def _watch(seen: Seen) -> AsyncIterator[None]:
    began_at = 0.0

    def collecting(phase: str, _: dict[str, int]) -> None:
        nonlocal began_at
        if phase == "start":
            began_at = thread_time()
        else:
            seen.collecting.append(thread_time() - began_at)

    began, cpu = perf_counter(), process_time()
    gc.callbacks.append(collecting)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tick, seen)
        yield
        nursery.cancel_scope.cancel()
    gc.callbacks.remove(collecting)
    seen.seconds += perf_counter() - began
    seen.cpu_seconds += process_time() - cpu


async def _tick(seen: Seen) -> None:
    worked, passes = thread_time(), len(seen.collecting)
    while True:
        due = perf_counter() + TICK_SECONDS
        await trio.sleep(TICK_SECONDS)
        seen.late.append(max(0.0, perf_counter() - due))
        now = thread_time()
        seen.held.append(now - worked - sum(seen.collecting[passes:]))
        worked, passes = now, len(seen.collecting)


# ------------------------------------------------------------------------------ the message


def message_rate(variant: str) -> float:
    """Return messages a second of processor time through one actor.

    Args:
        variant: `bare` takes the code that serves the console out of the way of a message.
    """
    if variant == "bare":
        _take_out()

    async def main() -> None:
        root = Root(ChildSpec("it", _worker, mailbox_size=1000))
        async with trio.open_nursery() as nursery:
            await nursery.start(root.run)
            ref = root.registry.ref("it")

            async def tell_all() -> None:
                for number in range(MESSAGES):
                    await ref.tell_wait(number)

            if variant == "recorded":
                with root.registry.record("it"):
                    await tell_all()
            else:
                await tell_all()
            root.stop()

    return cpu_rate(MESSAGES, lambda: trio.run(main))


class _Without(ast.NodeTransformer):
    """Takes the statements out that serve the console."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """Drop the comparison with a tap."""
        return None if ".tap " in ast.unparse(node.test) else self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | None:
        """Drop the sum of each actor's time."""
        return None if "handling_seconds" in ast.unparse(node.target) else node


def _take_out() -> None:
    changed = 0
    for name, function in list(vars(ActorContext).items()):
        if not inspect.isfunction(function):
            continue
        parsed = ast.parse(textwrap.dedent(inspect.getsource(function)))
        before = ast.unparse(parsed)
        parsed = ast.fix_missing_locations(_Without().visit(parsed))
        if ast.unparse(parsed) == before:
            continue
        names: dict[str, Any] = {}
        exec(compile(parsed, "<without>", "exec"), function.__globals__, names)  # noqa: S102
        setattr(ActorContext, name, names[name])
        changed += 1
    assert changed == TAPPED, f"{changed} methods know of taps, not {TAPPED}"
