"""The sync and the checks in a whole node: real stores, the simulated GitHub by HTTP."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from runnerhub.config import GitHubSettings, Settings
from runnerhub.model.github_sync import Kind
from runnerhub.runtime import Bridge, run_guest
from runnerhub.service.wiring import Node, build_node
from runnerhub.sim.github.orders import RunOrder
from runnerhub.sim.github.serving import TOKEN, SimGitHub, serve_sim_github
from tests.contract.harness import soon

LEASE = "github-sync"


@pytest.mark.real
def test_a_node_syncs_under_its_lease_and_lets_go(
    fresh_database: str, redis_url: str, tmp_path: Path
) -> None:
    async def main(bridge: Bridge) -> None:
        async with serve_sim_github() as sim:
            for number in range(3):
                sim.state.places.add_repository(f"acme/r{number}")
            (first,) = sim.state.work.queue(RunOrder(repository="acme/r1"))
            github = GitHubSettings(api_url=sim.url, token=TOKEN)
            more: dict[str, Any] = {"database_url": fresh_database, "redis_url": redis_url}
            settings = Settings(bind="127.0.0.1:0", github=github, **more)

            async def living(name: str, case: Callable[[Node], Awaitable[None]]) -> None:
                node = build_node(bridge, settings, tmp_path, name)
                with trio.fail_after(60):
                    async with trio.open_nursery() as nursery:
                        await nursery.start(node.root.run)
                        await case(node)
                        node.root.stop()

            async def one(node: Node) -> None:
                await soon(lambda: shown(node, Kind.RUNS))
                await soon(lambda: jobs_of(node))
                assert len(await shown(node, Kind.REPOSITORIES)) == 3
                health = {each.name: each for each in await node.hub.dependencies()}["github"]
                assert (health.ok, health.required) == (True, False)
                assert await node.world.ledger.acquire_lease(LEASE, "other", 1.0) is None
                assert [spec for spec in names(node) if spec == "github-check"]

            async def two(node: Node) -> None:
                assert [each.thing.id for each in await shown(node, Kind.RUNS)] == [first.id]
                await soon(lambda: holds(node))

            await living("n1", one)
            asked_before = reads(sim)
            await living("n2", two)
            # What the first one saw is not due yet, so the second one asks for none of it.
            assert reads(sim) == asked_before

    run_guest(main)


async def shown(node: Node, kind: Kind) -> list[Any]:
    state = node.world.github_state
    assert state is not None
    return list((await state.things(kind, limit=100)).items)


async def jobs_of(node: Node) -> bool:
    return any(seen.jobs for seen in await shown(node, Kind.RUNS))


async def holds(node: Node) -> bool:
    return await node.world.ledger.acquire_lease(LEASE, "other", 0.01) is None


def reads(sim: SimGitHub) -> int:
    wanted = ("/actions/workflows", "/actions/runners")
    return sum(n for route, n in sim.site.calls.items() if route.endswith(wanted))


def names(node: Node) -> list[str]:
    return [ref.name for ref in node.root.registry]
