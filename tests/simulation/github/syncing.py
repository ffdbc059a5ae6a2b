"""A node that syncs with a simulated GitHub; what it keeps outlives its lives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from runnerhub.actors.github.sync import Syncer
from runnerhub.actors.github.sync_desk import SyncDesk
from runnerhub.actors.github.sync_doubts import Doubts
from runnerhub.actors.webhooks.desk import WebhookDesk
from runnerhub.actors.webhooks.effects import Effects
from runnerhub.adapters.github import HttpTransport
from runnerhub.model.github_sync import Kind
from runnerhub.ports.errors import PortError
from runnerhub.ports.github_state import Seen
from runnerhub.sim.github_state import MemoryGitHubState
from tests.simulation.github.nodes import Node, running
from tests.simulation.hooks import Place, place

ROUND_SECONDS = 30.0


@dataclass
class Syncing:
    """A GitHub, what is kept of it, and the requests that it got.

    Attributes:
        asked: (path, status) of each request since it was cleared.
    """

    at: Place
    state: MemoryGitHubState
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def shown(self, kind: Kind, **more: Any) -> list[Seen]:
        return list((await self.state.things(kind, **{"limit": 1000, **more})).items)

    async def data(self, kind: Kind) -> dict[int, Any]:
        return {seen.thing.id: dict(seen.thing.data) for seen in await self.shown(kind)}

    def charged(self) -> int:
        return sum(status != 304 for _, status in self.asked)

    @asynccontextmanager
    async def life(self, *, webhooks: bool = True) -> AsyncIterator[SyncDesk]:
        """Run a node for the block, and its sync every half minute.

        Without webhooks there are no actors for them either, which look at GitHub by themselves.
        """
        living = self.at.life() if webhooks else self._gateway()
        async with living as hooks, trio.open_nursery() as nursery:
            github = hooks.world.github
            assert github is not None
            hooks.world.github_state = self.state
            desk = SyncDesk(github, hooks.app, Effects(hooks), (self.at.credential,))
            desk.state = self.state
            nursery.start_soon(rounds, Syncer(desk, Doubts(desk)))
            yield desk
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _gateway(self) -> AsyncIterator[WebhookDesk]:
        transport = HttpTransport(self.at.github.url, transport=self.at.github.transport)
        node = Node(transport, self.at.counters, credentials=(self.at.credential,))
        node.desk.wall = self.at.github.state.core.now
        async with running(node) as (gateway,):
            world = await self.at.cluster.new_world()
            world.github, world.github_jobs = gateway, self.at.jobs
            hooks = WebhookDesk(world, gateway, node.desk.options.credentials, now=self.at.now)
            hooks.jobs = self.at.jobs
            yield hooks


async def rounds(syncer: Syncer) -> None:
    while True:
        try:
            with trio.move_on_after(2 * ROUND_SECONDS):
                await syncer.round()
        except PortError:
            pass
        await trio.sleep(ROUND_SECONDS)


@asynccontextmanager
async def syncing(**more: Any) -> AsyncIterator[Syncing]:
    async with place(**more) as at:
        made = Syncing(at, MemoryGitHubState(at.now, at.jobs._jobs.values))

        def watch(exchange: Any) -> None:
            if "/access_tokens" not in exchange.request.path:
                made.asked.append((exchange.request.path, exchange.answer.status))

        at.github.site.watchers.append(watch)
        yield made


def by_kind(asked: list[tuple[str, int]], end: str) -> list[int]:
    return [status for path, status in asked if path.endswith(end)]
