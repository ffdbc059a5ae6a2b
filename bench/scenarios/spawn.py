"""Actors started a second, and what an idle one costs in memory, beside bare trio tasks."""

import argparse
import gc
from collections import deque
from dataclasses import dataclass
from time import process_time

import trio
from trio.lowlevel import Abort, wait_task_rescheduled

from bench.memory import in_new_process, settled
from bench.result import Better, Figure
from runnerhub.runtime import ActorContext, ChildSpec, ReplyTo, Restart, Root, Supervisor

IDLE_KB = 4.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """What so many of them took."""

    count: int
    start_cpu_seconds: float
    stop_cpu_seconds: float
    collect_cpu_seconds: float  # one full collection, for which everything else waits
    idle_bytes: float  # each, having received nothing
    used_bytes: float  # each, having answered one message


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how many actors there are."""
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])


def run(options: argparse.Namespace) -> list[Figure]:
    """Start crowds of actors, each in a process of its own; times are processor time."""
    figures: list[Figure] = []
    for count in options.counts:
        tasks, ours = in_new_process(bare_tasks, count), in_new_process(actors, count)
        figures += [
            Figure(f"start.trio_task.{count}", count / tasks.start_cpu_seconds, "/s"),
            Figure(f"start.runnerhub.{count}", count / ours.start_cpu_seconds, "/s", Better.HIGHER),
            Figure(
                f"collect.runnerhub.{count}", ours.collect_cpu_seconds * 1000, "ms", Better.LOWER
            ),
            Figure(f"stop.runnerhub.{count}", count / ours.stop_cpu_seconds, "/s", Better.HIGHER),
            Figure(f"idle.trio_task.{count}", tasks.idle_bytes / 1000, "kB"),
            Figure(f"idle.runnerhub.{count}", ours.idle_bytes / 1000, "kB", Better.LOWER, IDLE_KB),
            Figure(f"used.runnerhub.{count}", ours.used_bytes / 1000, "kB", Better.LOWER, IDLE_KB),
        ]
    return figures


async def _answerer(ctx: ActorContext[ReplyTo[int]]) -> None:
    async for reply_to in ctx:
        reply_to.send(1)


def actors(count: int) -> Crowd:
    """Start so many children of one supervisor, let each answer once, and stop them all."""

    async def main() -> Crowd:
        supervisor = Supervisor("top")
        root = Root(supervisor.spec())
        async with trio.open_nursery() as nursery:
            await nursery.start(root.run)
            before, began = settled(), process_time()
            for number in range(count):
                await supervisor.start_child(
                    ChildSpec(f"idle-{number}", _answerer, restart=Restart.TEMPORARY)
                )
            starting = process_time() - began
            idle = settled()
            for number in range(count):
                await root.registry.ref(f"idle-{number}").ask(lambda reply_to: reply_to, 60.0)
            began = process_time()
            gc.collect()
            collecting = process_time() - began
            used = settled()
            began = process_time()
            root.stop()
        return Crowd(
            count=count,
            start_cpu_seconds=starting,
            stop_cpu_seconds=process_time() - began,
            collect_cpu_seconds=collecting,
            idle_bytes=(idle - before) / count,
            used_bytes=(used - before) / count,
        )

    return trio.run(main)


def bare_tasks(count: int) -> Crowd:
    """Start so many tasks, each asleep beside a deque of its own."""

    async def sleeper() -> None:
        mailbox: deque[int] = deque()
        await wait_task_rescheduled(lambda _: Abort.SUCCEEDED)
        mailbox.clear()

    async def main() -> Crowd:
        async with trio.open_nursery() as nursery:
            before, began = settled(), process_time()
            for _ in range(count):
                nursery.start_soon(sleeper)
                await trio.lowlevel.checkpoint()
            starting = process_time() - began
            idle = settled()
            began = process_time()
            nursery.cancel_scope.cancel()
        each = (idle - before) / count
        return Crowd(count, starting, process_time() - began, 0.0, each, each)

    return trio.run(main)
