"""Jobs accepted a second, each durable before its answer, by 1, 16 and 64 clients."""

import argparse
import itertools
import json
from collections.abc import Iterator

from bench import web
from bench.load import request
from bench.node import Node, a_node
from bench.result import Figure, with_goals

GOALS = {"accept.64.rate": 2000.0, "accept.64.p99": 100.0}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add how many clients, and for how long."""
    web.add_options(parser)


def run(options: argparse.Namespace) -> list[Figure]:
    """Delegate new jobs to a node without hosts, whose ledger and queue are its embedded ones."""
    limit = web.client_limit(options)
    with a_node() as node:
        figures = web.measure("accept", node, new_jobs(node), options, 201)
    return [*with_goals(figures, GOALS), limit]


def new_jobs(node: Node, prefix: str = "bench") -> Iterator[bytes]:
    """Yield requests, each for another job."""
    for number in itertools.count():
        job = {
            "external_id": f"{prefix}-{number}",
            "repository": "acme/shop",
            "labels": ["linux"],
            "execution": {"kind": "command", "image": "busybox", "command": ["true"]},
        }
        body = json.dumps(job).encode()
        yield request("POST", "/api/jobs/delegate", token=node.token, body=body)
