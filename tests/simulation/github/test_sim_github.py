"""The gateway by HTTP against the simulated GitHub: an App, its limits, its faults."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from runnerhub.actors.github.gateway import Gateway
from runnerhub.actors.github.jit import (
    JitRunner,
    JitWish,
    create_jit_runner,
    remove_runner,
    remove_runner_by_name,
)
from runnerhub.adapters.github import HttpTransport, RsaSigner
from runnerhub.model.budget import Bucket, BudgetStrategy, Priority
from runnerhub.ports.github import Credential, GitHubUnavailable, RateLimited, Request
from runnerhub.sim.counters import MemoryCounters
from runnerhub.sim.github.faults import FaultPlan, Ordered, RestFaults
from runnerhub.sim.github.serving import SimGitHub, serve_sim_github, sim_github
from tests.simulation.github.nodes import Node, running

HOUR = 3600.0
ACME = "/orgs/acme"


def app_at(sim: SimGitHub) -> Credential:
    app, key = sim.state.access.add_app("hub", "acme")
    installation = sim.state.access.install(app, "acme")
    signer = RsaSigner(str(app.id), key, sim.state.core.now)
    return Credential("acme", frozenset(), None, str(app.id), installation.id, signer)


def node_at(
    sim: SimGitHub, credential: Credential, counters: MemoryCounters, name: str = "n1"
) -> Node:
    node = Node(
        HttpTransport(sim.url, transport=sim.transport),
        counters,
        name,
        credentials=(credential,),
        strategy=BudgetStrategy.ADAPTIVE,
    )
    node.desk.wall = sim.state.core.now
    return node


@asynccontextmanager
async def sim_with_acme(plan: FaultPlan | None = None) -> AsyncIterator[SimGitHub]:
    async with sim_github(plan=plan) as sim:
        for number in range(30):
            sim.state.places.add_repository(f"acme/r{number}")
        yield sim


async def test_reading_revalidating_and_paging(autojump_clock: MockClock) -> None:
    async with sim_with_acme() as sim:
        node = node_at(sim, app_at(sim), MemoryCounters())
        async with running(node) as (gateway,):
            request = Request("GET", "/repos/acme/r1", kind="repository")
            assert (await gateway.call(request)).data["full_name"] == "acme/r1"
            await trio.sleep(601)
            assert (await gateway.call(request)).data["full_name"] == "acme/r1"
            assert node.desk.statistics.revalidations == {"changed": 1, "unchanged": 1}
            listing = Request(
                "GET", f"{ACME}/repos", {"per_page": 7}, kind="repositories", cached=False
            )
            pages = [page.data async for page in gateway.pages(listing)]
            assert sorted(r["name"] for page in pages for r in page) == sorted(
                f"r{n}" for n in range(30)
            )
            assert len(pages) == 5
            assert len([page async for page in gateway.pages(listing, most=2)]) == 2


async def test_a_runner_comes_and_goes_whatever_is_lost(autojump_clock: MockClock) -> None:
    plan = FaultPlan(seed=3, rest=RestFaults(error=0.1, lost=0.15, too_many=0.02, retry_after=5))
    made: list[JitRunner] = []
    async with sim_with_acme(plan) as sim:
        node = node_at(sim, app_at(sim), MemoryCounters())
        async with running(node) as (gateway,):
            limit = trio.Semaphore(10)

            async def one(number: int) -> None:
                names = (f"rh-{number}-{n}" for n in range(100))
                tried = [next(names)]

                def another() -> str:
                    tried.append(next(names))
                    return tried[-1]

                async with limit:
                    wish = JitWish(ACME, ["linux"])
                    runner = None
                    while runner is None:
                        try:
                            runner = await create_jit_runner(gateway, wish, tried[-1], another)
                        except GitHubUnavailable:
                            await removed(gateway, tried[-1])
                    made.append(runner)

            async with trio.open_nursery() as nursery:
                for number in range(60):
                    nursery.start_soon(one, number)
            listed = await names_at(gateway_node=node)
            assert sorted(listed) == sorted(runner.name for runner in made)
            assert len(made) == 60
            for runner in made:
                await removed(gateway, runner.name)
            assert await names_at(gateway_node=node) == []
        resource = node.desk.buckets[Bucket(app_key(node), "actions_runner_registration")]
        assert resource.standing.limit == 10_000
        assert [v for v in sim.state.limits.violations if v.which != "retry-after"] == []


async def removed(gateway: Gateway, name: str) -> None:
    while True:
        try:
            assert await remove_runner_by_name(gateway, ACME, name)
        except GitHubUnavailable:
            continue
        return


async def names_at(gateway_node: Node) -> list[str]:
    request = Request("GET", f"{ACME}/actions/runners", {"per_page": 100}, cached=False)
    pages = [page async for page in gateway_node.gateway.pages(request)]
    return [runner["name"] for page in pages for runner in page.data["runners"]]


def app_key(node: Node) -> str:
    [credential] = node.desk.options.credentials
    return f"app-{credential.app_id}-{credential.installation_id}"


async def test_an_hour_at_the_limit_breaks_none(autojump_clock: MockClock) -> None:
    rng = random.Random(5)  # noqa: S311 - a simulation
    waits: list[float] = []
    async with sim_with_acme() as sim:
        sim.state.limits.overrides["*", "core"] = 600
        counters, credential = MemoryCounters(), app_at(sim)
        nodes = [node_at(sim, credential, counters, f"n{n}") for n in range(4)]

        async def poll(node: Node) -> None:
            request = Request("GET", "/repos/acme/r1", kind="runs", cached=False, patience=60)
            try:
                await node.gateway.call(request)
            except RateLimited:
                return

        async def job(node: Node, number: int) -> None:
            wish, name = JitWish(ACME, ["linux"]), f"rh-{number}"
            begun_at = trio.current_time()
            runner = await create_jit_runner(node.gateway, wish, name, lambda: f"{name}-again")
            await remove_runner(node.gateway, ACME, runner.runner_id)
            waits.append(trio.current_time() - begun_at)

        async def demand(node: Node, seed: int) -> None:
            async with trio.open_nursery() as nursery:
                for number in range(int(600 * 3 / 4)):
                    await trio.sleep(rng.expovariate(600 * 3 / 4 / HOUR))
                    nursery.start_soon(poll, node)
                    if number % 10 == 0:
                        nursery.start_soon(job, node, seed * 10_000 + number)

        async with running(*nodes), trio.open_nursery() as nursery:
            for seed, node in enumerate(nodes):
                nursery.start_soon(demand, node, seed)
        assert list(sim.state.limits.violations) == []
        assert len(waits) == 180
        assert max(waits) < 5.0
        assert sim.site.calls["GET /repos/{owner}/{repo}"] > 300


async def test_over_tcp() -> None:
    async with serve_sim_github() as sim:
        sim.state.places.add_repository("acme/web")
        app, key = sim.state.access.add_app("hub", "acme")
        installation = sim.state.access.install(app, "acme")
        signer = RsaSigner(str(app.id), key, time.time)
        credential = Credential("acme", frozenset(), None, str(app.id), installation.id, signer)
        transport = HttpTransport(sim.url)
        node = Node(transport, MemoryCounters(), credentials=(credential,))
        node.desk.wall = time.time
        with trio.fail_after(30):
            async with running(node) as (gateway,):
                wish = JitWish("/repos/acme/web", ["linux"])
                runner = await create_jit_runner(gateway, wish, "rh-1", lambda: "rh-2")
                assert runner.config
                sim.state.core.faults.ordered.append(Ordered("DELETE", "lost", 1))
                assert await remove_runner(gateway, wish.scope, runner.runner_id)
                request = Request("GET", "/repos/acme/web", priority=Priority.DISPATCH)
                assert (await gateway.call(request)).data["name"] == "web"
        await transport.close()
