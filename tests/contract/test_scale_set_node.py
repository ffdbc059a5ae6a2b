"""A scale set in a whole node: real stores, real HTTP to the simulated GitHub, in guest mode."""

from pathlib import Path

import httpx
import pytest
import trio

from runnerhub.config import GitHubSettings, HostSettings, PoolSettings, ScaleSetSettings, Settings
from runnerhub.runtime import Bridge, run_guest
from runnerhub.service.wiring import build_node
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.github.orders import RunOrder
from runnerhub.sim.github.serving import TOKEN, serve_sim_github
from runnerhub.sim.programs import running_programs
from runnerhub.sim.runner.inprocess import JIT_VARIABLE, as_program
from tests.simulation.cluster import IMAGE


def settings(api_url: str, database_url: str, redis_url: str) -> Settings:
    return Settings(
        bind="127.0.0.1:0",
        database_url=database_url,
        redis_url=redis_url,
        github=GitHubSettings(api_url=api_url, token=TOKEN),
        docker_hosts=(HostSettings(name="h1", url="sim://h1", labels=("big",)),),
        pools=(PoolSettings(name="p", labels=("big",), image=IMAGE),),
        scale_sets=(ScaleSetSettings(name="s", scope="acme/web", pool="p"),),
        metrics_open=True,
    )


@pytest.mark.real
def test_a_job_goes_through_a_scale_set_of_a_whole_node(
    fresh_database: str, redis_url: str, tmp_path: Path
) -> None:
    async def main(bridge: Bridge) -> None:
        async with (
            serve_sim_github() as github,
            httpx.AsyncClient() as client,
            running_programs(JIT_VARIABLE, as_program(client, seconds=0.1)) as programs,
        ):
            engine = SimEngine("h1", programs=programs)
            work = github.state.work
            github.state.places.add_repository("acme/web")
            given = settings(github.url, fresh_database, redis_url)
            node = build_node(bridge, given, tmp_path, "n1", {"h1": engine})
            with trio.fail_after(60):
                async with trio.open_nursery() as living:
                    await living.start(node.root.run)
                    work.queue(RunOrder(repository="acme/web", labels=["big"], count=3))
                    while any(job.status != "completed" for job in work.jobs.values()):
                        await trio.sleep(0.05)
                    while await node.world.ledger.open_runners():
                        await trio.sleep(0.05)
                    node.root.stop()
            assert [(j.conclusion, len(j.takers)) for j in work.jobs.values()] == [
                ("success", 1)
            ] * 3
            assert list(github.state.fleet) == []
            [scale_set] = github.state.scale_sets.sets.values()
            assert scale_set.session is None

    run_guest(main)


def test_without_a_credential_the_rest_works(tmp_path: Path) -> None:
    async def main(bridge: Bridge) -> None:
        given = settings("http://127.0.0.1:9", "postgresql://x", "redis://x")
        node = build_node(
            bridge,
            given.model_copy(update={"github": GitHubSettings()}),
            tmp_path,
            "n1",
            {"h1": SimEngine("h1")},
        )
        assert node.world.runners is None

    run_guest(main)


def test_a_pool_of_a_scale_set_reaches_github_and_starts_no_other_runners(tmp_path: Path) -> None:
    async def main(bridge: Bridge) -> None:
        given = settings("http://127.0.0.1:9", "postgresql://x", "redis://x")
        pool = PoolSettings(name="p", labels=("big",), image=IMAGE, scope="repository")
        node = build_node(
            bridge,
            given.model_copy(update={"pools": (pool,)}),
            tmp_path,
            "n1",
            {"h1": SimEngine("h1")},
        )
        (found,) = node.world.settings.pools
        assert (found.scope, found.network) == (None, "egress")

    run_guest(main)
