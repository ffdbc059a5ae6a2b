"""Latencies that were measured, sampled."""

import statistics

import pytest
import trio
from trio.testing import MockClock

from runnerhub.ports.engine import ContainerSpec
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.latency import MeasuredLatency, shipped_measurements

TABLE = {
    "quantiles": [0.0, 0.5, 1.0],
    "seconds": {"info": {"1": [1.0, 2.0, 5.0], "8": [8.0, 16.0, 40.0]}, "alone": {"1": [1, 1, 1]}},
}


def middle(latency: MeasuredLatency, method: str, at_once: int) -> float:
    return statistics.median(latency.of(method, at_once) for _ in range(4001))


def test_samples_follow_the_quantiles() -> None:
    latency = MeasuredLatency(TABLE, "1")
    samples = [latency.of("info", 1) for _ in range(4001)]
    assert 1.0 <= min(samples) < max(samples) <= 5.0
    assert statistics.median(samples) == pytest.approx(2.0, rel=0.1)


def test_more_calls_at_once_take_longer() -> None:
    latency = MeasuredLatency(TABLE, "1")
    assert middle(latency, "info", 8) == pytest.approx(16.0, rel=0.1)
    assert middle(latency, "info", 4) == pytest.approx(8.0, rel=0.1)
    assert middle(latency, "info", 15) == pytest.approx(30.0, rel=0.1)
    assert latency.of("alone", 100) == 1.0


def test_a_seed_repeats_and_what_was_not_measured_takes_no_time() -> None:
    first, second = (MeasuredLatency(TABLE, "same") for _ in range(2))
    assert [first.of("info", 2) for _ in range(20)] == [second.of("info", 2) for _ in range(20)]
    assert first.of("never", 1) == 0.0


async def test_a_measured_engine_is_slower_when_busy(autojump_clock: MockClock) -> None:
    async def create_and_start(host: SimEngine, name: str) -> None:
        await host.create_container(ContainerSpec(name, "busybox:1", {}, ("sleep", "900")))
        await host.start_container(name)

    took = []
    for at_once in (1, 8):
        host = SimEngine(latency=MeasuredLatency(shipped_measurements(), "1"))
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(at_once):
                nursery.start_soon(create_and_start, host, f"rh-{number}")
        took.append(trio.current_time() - began)
    alone, together = took
    assert 0.05 < alone < 2 * alone < together < 60
