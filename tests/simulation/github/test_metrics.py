"""What the gateway shows of itself."""

from prometheus_client import CollectorRegistry, generate_latest
from trio.testing import MockClock

from runnerhub.model.budget import Priority
from runnerhub.ports.github import Request
from runnerhub.sim.counters import MemoryCounters
from runnerhub.sim.github_cache import MemoryTier
from tests.simulation.github.fake import FakeGitHub
from tests.simulation.github.nodes import Node, running


async def test_budgets_waits_and_lookups_are_shown(autojump_clock: MockClock) -> None:
    github, counters = FakeGitHub(limit=200), MemoryCounters()
    node = Node(github, counters)
    registry = CollectorRegistry()
    registry.register(node.family.metrics)
    assert b"runnerhub_github_alone 0.0" in generate_latest(registry)
    async with running(node) as (gateway,):
        for number in range(150):
            await gateway.call(
                Request("GET", f"/{number}", kind=f"k{number}", priority=Priority.DISPATCH)
            )
        text = generate_latest(registry).decode()
        assert 'budget_remaining{credential="pat",resource="core"} 5' in text
        assert 'exhaustion_seconds{credential="pat",resource="core"} +Inf' not in text
        counters.outage = True
        await gateway.call(Request("GET", "/", priority=Priority.DISPATCH))
        text = generate_latest(registry).decode()
    assert "runnerhub_github_alone 1.0" in text
    assert 'wait_seconds_count{priority="dispatch"} 151.0' in text
    assert 'cache_lookups_total{result="miss",tier="memory"}' in text
    assert text.count("runnerhub_github_requests_total{") <= 66


async def test_the_hit_ratio_of_each_tier_is_shown(autojump_clock: MockClock) -> None:
    node = Node(FakeGitHub(), MemoryCounters(), tiers=[("redis", MemoryTier())])
    registry = CollectorRegistry()
    registry.register(node.family.metrics)
    assert "cache_hit_ratio{" not in generate_latest(registry).decode()
    async with running(node) as (gateway,):
        for _ in range(4):
            await gateway.call(Request("GET", "/repos/a/b", kind="repository"))
    name = "runnerhub_github_cache_hit_ratio"
    assert registry.get_sample_value(name, {"tier": "memory"}) == 0.75
    assert registry.get_sample_value(name, {"tier": "redis"}) == 0.0
