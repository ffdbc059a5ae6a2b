"""What the scenarios of the API have in common: some clients for a while, as figures."""

import argparse
import itertools
from collections.abc import Iterator
from time import perf_counter

from bench.load import Answers, Load, request, run_client
from bench.node import Node, cpu_seconds
from bench.null_server import a_null_server
from bench.result import Better, Figure

CLIENT_LIMIT = 10_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how many clients, and for how long."""
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=5.0, help="for each number of clients")


def measure(
    what: str,
    node: Node,
    requests: Iterator[bytes],
    options: argparse.Namespace,
    *expected: int,
) -> list[Figure]:
    """Let so many clients at once ask the node, and return rate, latencies and processor time."""
    figures: list[Figure] = []
    for clients in options.clients:
        node_before, client_before = node.cpu_seconds(), cpu_seconds()
        began = perf_counter()
        load = Load(node.host, node.port, requests)
        answers = run_client(load.run(clients, options.seconds))
        answers.expect(*expected)
        passed = perf_counter() - began
        of_node = (node.cpu_seconds() - node_before) / passed
        of_client = (cpu_seconds() - client_before) / passed
        name = f"{what}.{clients}"
        figures += [
            *_figures(name, answers),
            Figure(f"{name}.cpu.node", of_node, "cores"),
            Figure(f"{name}.cpu.client", of_client, "cores"),
            Figure(f"{name}.per_cpu", answers.rate / of_node, "/s of the node's", Better.HIGHER),
        ]
    return figures


def client_limit(options: argparse.Namespace) -> Figure:
    """Return what the client reaches where nothing stands behind the answers."""
    with a_null_server() as port:
        load = Load("127.0.0.1", port, itertools.repeat(request("GET", "/")))
        answers = run_client(load.run(max(options.clients), min(options.seconds, 2.0)))
    return Figure("client.limit", answers.rate, "/s", Better.HIGHER, CLIENT_LIMIT)


def _figures(name: str, answers: Answers) -> list[Figure]:
    return [
        Figure(f"{name}.rate", answers.rate, "/s", Better.HIGHER),
        *(
            Figure(f"{name}.p{percent}", answers.milliseconds(percent), "ms", Better.LOWER)
            for percent in (50, 95, 99)
        ),
    ]
