"""Our queue against BullMQ on the same Valkey: jobs in, and jobs out that are done at once.

`batched` is as intake and dispatcher use ours, and as BullMQ's `addBulk` and a worker of that
concurrency use theirs; `alone` is one job after the other, in and out. Rounds alternate.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from bench.peers.bullmq import BullMQ, NoPeer, bullmq, versions
from bench.result import Better, Figure
from runnerhub.actors.dispatcher import BATCH as CLAIMS
from runnerhub.actors.dispatcher import CLAIM_SECONDS
from runnerhub.actors.intake import BATCH as PUSHES
from runnerhub.adapters.redis import RedisQueue
from runnerhub.ports.queue import QueueEntry
from runnerhub.runtime import Bridge, run_guest
from tests.parts.redis import RedisServer

OURS, THEIRS = "runnerhub", "bullmq"
PLACEMENT = '[["linux"],0.0,0]'
REPOSITORIES = 50
Step = tuple[str, int, int]  # what, how many jobs, how many at a time
Seen = dict[str, list[tuple[float, float, float]]]  # seconds, processor time of client, of server


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how much to measure."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=10_000, help="a round, in batches")
    parser.add_argument("--alone", type=int, default=2000, help="a round, one by one")


def run(options: argparse.Namespace) -> list[Figure]:
    """Measure both by turns; without Node, ours alone."""
    seen: Seen = defaultdict(list)
    steps = {
        "batched.in": ("add", options.jobs, PUSHES),
        "batched.out": ("work", options.jobs, CLAIMS),
        "alone.in": ("add", options.alone, 1),
        "alone.out": ("work", options.alone, 1),
    }
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer())
        peer: BullMQ | None = None
        try:
            peer = stack.enter_context(bullmq(Path(urlsplit(server.url()).path)))
            options.peer = versions()
        except NoPeer as missing:
            options.peer = f"none: {missing}"
            print(f"without BullMQ: {missing}")

        async def main(bridge: Bridge) -> None:
            queue = RedisQueue(bridge, server.url(), "rh:bench")
            ours = Ours(queue)
            for number in range(options.rounds + 1):  # the first warms up
                found: Seen = defaultdict(list) if number == 0 else seen
                for name, step in steps.items():
                    turns: list[tuple[str, Callable[[], Awaitable[tuple[float, float]]]]]
                    turns = [(OURS, lambda step=step: ours.take(step))]  # type: ignore[misc]
                    if peer is not None:
                        turns.append((THEIRS, lambda step=step: _let(peer, step)))  # type: ignore[misc]
                    for who, take in turns if number % 2 else reversed(turns):
                        used = _cpu(server.pid)
                        seconds, client = await take()
                        found[f"{name}.{who}"].append((seconds, client, _cpu(server.pid) - used))
            await queue.close()

        run_guest(main)
    counts = {name: count for name, (_, count, _) in steps.items()}
    return list(_figures(seen, counts))


def _figures(seen: Seen, counts: dict[str, int]) -> Iterator[Figure]:
    for name, rounds in seen.items():
        count = counts[name.rpartition(".")[0]]
        seconds, client, server = (statistics.median(each) for each in zip(*rounds, strict=True))
        yield Figure(f"{name}.rate", count / seconds, "/s", Better.HIGHER)
        yield Figure(f"{name}.client", client / count * 1e6, "µs of processor", Better.LOWER)
        yield Figure(f"{name}.server", server / count * 1e6, "µs of processor", Better.LOWER)


class Ours:
    """Our queue, driven as the node does."""

    def __init__(self, queue: RedisQueue) -> None:
        self._queue = queue
        self._number = 0

    async def take(self, step: Step) -> tuple[float, float]:
        """Take a step; return its seconds, and the processor time of this process."""
        what, count, at_a_time = step
        began, used = time.perf_counter(), time.process_time()
        await (self._push(count, at_a_time) if what == "add" else self._work(count, at_a_time))
        return time.perf_counter() - began, time.process_time() - used

    async def _push(self, count: int, at_a_time: int) -> None:
        for start in range(0, count, at_a_time):
            size = min(at_a_time, count - start)
            await self._queue.push([self._entry() for _ in range(size)])

    async def _work(self, count: int, at_a_time: int) -> None:
        done = 0
        while done < count:
            entries = await self._queue.claim({PLACEMENT: at_a_time}, CLAIM_SECONDS)
            if not entries:
                raise RuntimeError(f"jobs are lost: {done} of {count} were there")
            await self._queue.acknowledge([entry.job_id for entry in entries])
            done += len(entries)

    def _entry(self) -> QueueEntry:
        self._number += 1
        repository = f"acme/r{self._number % REPOSITORIES}"
        now_ms = time.time_ns() // 10**6
        return QueueEntry(f"job_{self._number}", repository, PLACEMENT, 50, now_ms)


async def _let(peer: BullMQ, step: Step) -> tuple[float, float]:
    # Blocks this process, which has nothing else to do.
    what, count, at_a_time = step
    size = {"batch": at_a_time} if what == "add" else {"at_once": at_a_time}
    said = peer.do(what, count=count, **size)
    if said["done"] != count or said["left"] != (count if what == "add" else 0):
        raise RuntimeError(f"BullMQ did something else: {step} {said}")
    return float(said["seconds"]), float(said["cpu_seconds"])


def _cpu(pid: int) -> float:
    """Return the processor time of a process in seconds, finer than the kernel's ticks."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in threads) / 1e9
