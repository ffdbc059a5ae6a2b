"""From a crash to the restarted actor's first message."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import structlog
import trio

from bench.measure import percentile
from bench.result import Better, Figure
from runnerhub.runtime import (
    ActorContext,
    Backoff,
    ChildSpec,
    RestartIntensity,
    Root,
    Supervisor,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how often to crash."""
    parser.add_argument("--crashes", type=int, default=2000)
    parser.add_argument("--siblings", type=int, default=1000, help="actors beside it")


def run(options: argparse.Namespace) -> list[Figure]:
    """Crash an actor again and again, without a delay before its restart."""
    with _logging_as_a_node():
        seconds = trio.run(_crash_and_return, options.crashes, options.siblings)
    micros = [second * 1e6 for second in seconds]
    return [
        Figure(
            f"crash_to_first_message.p{percent}", percentile(micros, percent), "us", Better.LOWER
        )
        for percent in (50, 95, 99)
    ]


@contextmanager
def _logging_as_a_node() -> Iterator[None]:
    """Write every crash with its traceback as JSON, to nowhere."""
    before = structlog.get_config()
    with Path(os.devnull).open("w") as nowhere:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.PrintLoggerFactory(nowhere),
        )
        try:
            yield
        finally:
            structlog.configure(**before)


async def _crash_and_return(crashes: int, siblings: int) -> list[float]:
    send, receive = trio.open_memory_channel[float](1)

    async def crasher(ctx: ActorContext[None]) -> None:
        ctx.started()
        ctx.ref.tell(None)  # the first message of this life
        async for _ in ctx:
            send.send_nowait(perf_counter())
            crashed_at.append(perf_counter())
            raise ZeroDivisionError

    async def idle(ctx: ActorContext[None]) -> None:
        async for _ in ctx:
            pass

    crashed_at: list[float] = []
    specs = [ChildSpec(f"idle-{number}", idle) for number in range(siblings)]
    without_delay = RestartIntensity(1000, 0.001, Backoff(first=0.0))
    root = Root(
        Supervisor("top", [*specs, ChildSpec("crasher", crasher)], intensity=without_delay).spec()
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(root.run)
        await receive.receive()
        seconds = [await receive.receive() - crashed_at[number] for number in range(crashes)]
        root.stop()
    return seconds
