"""Job states read a second, by 1, 16 and 64 clients."""

import argparse
import itertools

import httpx

from bench import web
from bench.load import request
from bench.node import Node, a_node
from bench.result import Figure, with_goals

GOALS = {"status.64.rate": 2500.0}
JOBS = 200


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how many clients, and for how long."""
    web.add_options(parser)


def run(options: argparse.Namespace) -> list[Figure]:
    """Ask for the states of waiting jobs in turn."""
    limit = web.client_limit(options)
    with a_node() as node:
        reads = [
            request("GET", f"/api/jobs/{_delegate(node, number)}/status", token=node.token)
            for number in range(JOBS)
        ]
        figures = web.measure("status", node, itertools.cycle(reads), options, 200)
    return [*with_goals(figures, GOALS), limit]


def _delegate(node: Node, number: int) -> str:
    job = {
        "external_id": f"bench-{number}",
        "repository": "acme/shop",
        "execution": {"kind": "command", "image": "busybox", "command": ["true"]},
    }
    answer = httpx.post(
        f"http://{node.host}:{node.port}/api/jobs/delegate",
        json=job,
        headers={"authorization": f"Bearer {node.token}"},
    )
    return str(answer.raise_for_status().json()["id"])
