"""Nodes with a gateway each, on one simulated GitHub and shared simulated counters."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from runnerhub.actors.github.desk import Desk, GitHubOptions
from runnerhub.actors.github.family import build_github
from runnerhub.actors.github.gateway import Gateway
from runnerhub.ports.budget import BudgetCounters
from runnerhub.ports.github import Credential, GitHubTransport
from runnerhub.ports.github_cache import CacheFeed, CacheTier
from runnerhub.runtime import Root
from tests.simulation.github.fake import wall

TOKEN = Credential("pat", token="t")


class Node:
    """A gateway in a tree of its own."""

    def __init__(
        self,
        github: GitHubTransport,
        counters: BudgetCounters,
        name: str = "n1",
        tiers: Sequence[tuple[str, CacheTier]] = (),
        feed: CacheFeed | None = None,
        **options: Any,
    ) -> None:
        options.setdefault("credentials", (TOKEN,))
        self.desk = Desk(GitHubOptions(name, **options), wall=wall)
        self.desk.transport, self.desk.counters, self.desk.tiers = github, counters, tiers
        self.desk.feed = feed
        self.family = build_github(self.desk)
        self.gateway = self.family.gateway
        self.root = Root(self.family.supervisor.spec())


@asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[tuple[Gateway, ...]]:
    async with trio.open_nursery() as nursery:
        for node in nodes:
            await nursery.start(node.root.run)
        await wait_all_tasks_blocked()  # until all hear each other's news
        yield tuple(node.gateway for node in nodes)
        for node in nodes:
            node.root.stop()
