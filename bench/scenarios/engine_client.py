"""A request to a Docker engine, and a followed log: by our client, and by aiodocker.

One simulated host in a process of its own. Times are of the processor, in rounds that alternate;
memory is that of a process of its own for each client.
"""

import argparse
import resource
import statistics
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import process_time

import aiodocker
import aiohttp
import trio

from bench.memory import in_new_process, settled
from bench.result import Better, Figure
from bench.whole.hosts import a_fleet
from runnerhub.adapters.docker import DockerEngine
from runnerhub.ports.engine import ContainerSpec
from runnerhub.runtime import Bridge, open_stream, run_guest

NAME = "rh-bench"
CLIENTS = ("ours", "aiodocker")
AT_ONCE = (1, 16)

Ask = Callable[[], Awaitable[object]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how much is asked, and how many logs are followed."""
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=2000, help="in each round")
    parser.add_argument("--logs", type=int, default=1000)


def run(options: argparse.Namespace) -> list[Figure]:
    """Ask for a container's state again and again; follow the log of one that runs."""
    with a_fleet(1) as fleet:
        path = str(fleet.sockets[0])
        found = run_guest(_times, path, options.rounds, options.requests)
        figures = [
            Figure(f"request.{client}.{at_once}", value, "µs", Better.LOWER)
            for (client, at_once), value in found.items()
        ]
        for client in ("nobody", *CLIENTS):
            each = in_new_process(_memory, client, path, options.logs) / 1000
            figures.append(Figure(f"log.{client}", each, "kB", Better.LOWER))
    return figures


@asynccontextmanager
async def _engine(bridge: Bridge, path: str) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine(bridge, f"unix://{path}")
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def _aiodocker(bridge: Bridge, path: str) -> AsyncIterator[aiodocker.Docker]:
    async def make() -> tuple[aiodocker.Docker, aiohttp.BaseConnector]:
        unix = aiohttp.UnixConnector(path, limit=0)
        return aiodocker.Docker("unix://localhost", connector=unix, api_version="v1.41"), unix

    async def end() -> None:
        await docker.close()
        await connector.close()

    docker, connector = await bridge.call(make)
    try:
        yield docker
    finally:
        await bridge.call(end)


async def _times(
    bridge: Bridge, path: str, rounds: int, requests: int
) -> dict[tuple[str, int], float]:
    """Return the median µs of a request, by client and by how many ask at once."""
    found: dict[tuple[str, int], list[float]] = {}
    async with _engine(bridge, path) as engine, _aiodocker(bridge, path) as docker:
        spec = ContainerSpec(NAME, "busybox", {}, ("sh", "-c", "echo said; sleep 3600"))
        await engine.create_container(spec)
        await engine.start_container(NAME)
        container = docker.containers.container(NAME)
        asks: dict[str, Ask] = {
            "ours": lambda: engine.inspect_container(NAME),
            "aiodocker": lambda: bridge.call(container.show),
        }
        for _ in range(rounds):
            for at_once in AT_ONCE:
                for client, ask in asks.items():
                    took = await _asked(ask, at_once, requests)
                    found.setdefault((client, at_once), []).append(took)
    return {key: statistics.median(values) for key, values in found.items()}


async def _asked(ask: Ask, at_once: int, requests: int) -> float:
    async def again_and_again() -> None:
        for _ in range(requests // at_once):
            await ask()

    began = process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(at_once):
            nursery.start_soon(again_and_again)
    return (process_time() - began) / (requests // at_once * at_once) * 1e6


def _memory(client: str, path: str, count: int) -> float:
    """Return the bytes of a task that follows a log, in a process that does nothing else."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return run_guest(_follow, client, path, count)


async def _follow(bridge: Bridge, client: str, path: str, count: int) -> float:
    async with _engine(bridge, path) as engine, _aiodocker(bridge, path) as docker:
        container = docker.containers.container(NAME)
        await bridge.call(container.show)
        await engine.inspect_container(NAME)

        async def ours(task_status: trio.TaskStatus[None]) -> None:
            async with engine.logs(NAME) as log:
                await log.receive()
                task_status.started()
                await log.receive()

        async def said() -> AsyncGenerator[str, None]:
            async for piece in container.log(stdout=True, stderr=True, follow=True):
                yield piece

        async def theirs(task_status: trio.TaskStatus[None]) -> None:
            async with open_stream(bridge, said) as log:
                await log.receive()
                task_status.started()
                await log.receive()

        async def none(task_status: trio.TaskStatus[None]) -> None:
            task_status.started()
            await trio.sleep_forever()

        follow = {"ours": ours, "aiodocker": theirs, "nobody": none}[client]
        async with trio.open_nursery() as nursery:
            before = settled()
            for _ in range(count):
                await nursery.start(follow)
            taken = settled() - before
            nursery.cancel_scope.cancel()
    return taken / count
