"""What each step of a job costs the node and PostgreSQL, one at a time and many at once."""

import argparse
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import trio

from bench.result import Better, Figure
from bench.whole.node import below
from runnerhub.adapters.postgres import PostgresLedger
from runnerhub.model.job import Conclusion, Execution, Job, JobSpec, Phase, Reason
from runnerhub.model.logs import LogCursor
from runnerhub.model.outcome import Verdict
from runnerhub.ports.ledger import LeaseJob, LogChunk
from runnerhub.runtime import Bridge, run_guest
from tests.parts.postgres import PostgresServer

AT_ONCE = (1, 8, 64)
HOSTS = 50
DONE = Verdict(Conclusion.SUCCESS, Reason.COMPLETED, "the command exited 0", 0)

Step = Callable[[PostgresLedger, Job], Awaitable[object]]

STEPS: dict[str, Step] = {
    "running": lambda ledger, job: ledger.advance(
        job.id, job.fence or 0, 1, Phase.RUNNING, ago={"created": 0.1, "started": 0.0}
    ),
    "log_end": lambda ledger, job: ledger.log_end(job.id, 1),
    "append_log": lambda ledger, job: ledger.append_log(
        LogChunk(job.id, 1, 0, b"done\n", LogCursor("2026-01-01T00:00:00Z", 1, 0)), job.fence or 0
    ),
    "conclude": lambda ledger, job: ledger.conclude(
        job.id, job.fence or 0, 1, DONE, ago={"exited": 0.0}
    ),
    "finish": lambda ledger, job: ledger.finish(job.id, job.fence or 0, 1),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how many jobs take the steps."""
    parser.add_argument("--jobs", type=int, default=1000)


def run(options: argparse.Namespace) -> list[Figure]:
    """Let jobs take one step after the other, each of them all jobs."""
    figures: list[Figure] = []
    with PostgresServer() as server:

        async def main(bridge: Bridge) -> None:
            ledger = PostgresLedger(bridge, server.url(server.create_database()))
            await ledger.open()
            await _measure(ledger, server, "warm-up", await _leased(ledger, "w", 200), 64)
            for at_once in AT_ONCE:
                jobs = await _leased(ledger, str(at_once), options.jobs)
                figures.extend(await _measure(ledger, server, str(at_once), jobs, at_once))
            await ledger.close()

        run_guest(main)
    return figures


async def _leased(ledger: PostgresLedger, prefix: str, count: int) -> Sequence[Job]:
    run = Execution("busybox", ("echo", "done"))
    specs = [JobSpec(f"{prefix}-{n}", f"acme/shop-{n % 20}", run) for n in range(count)]
    wanted: list[LeaseJob] = []
    for n in range(HOSTS):
        lease = await ledger.acquire_lease(f"host:h{n}", "bench", 600)
        assert lease is not None
        ids = [answer.job.id for answer in await ledger.accept(specs[n::HOSTS])]
        wanted += [LeaseJob(job_id, f"h{n}", lease.token, job_id) for job_id in ids]
    return await ledger.lease_jobs(wanted)


async def _measure(
    ledger: PostgresLedger, server: PostgresServer, name: str, jobs: Sequence[Job], at_once: int
) -> list[Figure]:
    figures: list[Figure] = []
    for step, take in STEPS.items():
        turns = iter(jobs)

        async def work(take: Step, turns: Iterator[Job]) -> None:
            for job in turns:
                await take(ledger, job)

        began, node, store = time.perf_counter(), time.process_time(), _cpu(server.pid)
        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(work, take, turns)
        each = len(jobs) / 1e6
        node, store = time.process_time() - node, _cpu(server.pid) - store
        figures += [
            Figure(f"{name}.{step}.node", node / each, "µs", Better.LOWER),
            Figure(f"{name}.{step}.postgres", store / each, "µs", Better.LOWER),
            Figure(f"{name}.{step}.clock", (time.perf_counter() - began) / each, "µs"),
        ]
    return figures


def _cpu(server: int) -> float:
    """Return the processor seconds of PostgreSQL's processes, to the nanosecond."""
    found = (Path(f"/proc/{pid}/schedstat").read_text().split()[0] for pid in below(server))
    return sum(map(int, found)) / 1e9
