"""What the scenarios of whole nodes reckon with."""

import argparse
import asyncio
from typing import Any

import pytest

from bench import all as every
from bench.scenarios import scenarios
from bench.scenarios.soak import _slopes
from bench.whole.client import Client, Door
from bench.whole.jobs import between, body, expect_success, phase_figures, seconds_at
from bench.whole.profile import table


def a_job(**more: Any) -> dict[str, Any]:
    steps = ("accepted", "claimed", "placed", "image_ready", "created", "started", "exited")
    stamps = {step: f"2026-01-01T12:00:0{n}.500000Z" for n, step in enumerate((*steps, "reaped"))}
    job = {"id": "job_1", "phase": "finished", "explanation": "", "timestamps": stamps}
    return {**job, "conclusion": "success", "attempt": 1, **more}


def test_phases_come_from_timestamps() -> None:
    job = a_job()
    assert between([job], "accepted", "created") == [4000.0]
    figures = {figure.name: figure.value for figure in phase_figures("x", [job])}
    assert figures["x.queued.p50"] == 1000.0
    assert figures["x.life.p99"] == 7000.0


def test_a_step_that_never_was_is_not_a_zero() -> None:
    job = a_job(phase="queued", explanation="no host")
    job["timestamps"]["created"] = None
    with pytest.raises(ValueError, match="never created: queued, no host"):
        seconds_at(job, "created")


@pytest.mark.parametrize("wrong", [{"conclusion": "failure"}, {"attempt": 2}])
def test_only_jobs_that_succeed_at_once_are_figures(wrong: dict[str, Any]) -> None:
    expect_success([a_job()])
    with pytest.raises(RuntimeError, match="not a success at once"):
        expect_success([a_job(), a_job(**wrong)])


def test_a_job_is_what_the_api_takes() -> None:
    from runnerhub.api.schemas import DelegateBody

    DelegateBody.model_validate(body(1, ["true"], network="none", resources={"pids": 9}))


def test_a_profile_charges_the_innermost_part_that_is_known() -> None:
    folded = (
        "main (runnerhub/cli/node.py);go (trio/_core/_run.py);send (json/encoder.py) 30\n"
        "main (runnerhub/cli/node.py);go (trio/_core/_run.py);ask (asyncpg/connection.py) 70\n"
    )
    lines = table(folded).splitlines()
    assert lines[0].startswith("100 samples")
    assert lines[3:5] == ["   70.0 %  asyncpg", "   30.0 %  trio"]
    assert not any("main" in line for line in lines)


def test_a_soak_is_fitted_behind_its_warm_up() -> None:
    def sample(number: int) -> dict[str, float]:
        late = max(0, number - 20)
        return {"at": number * 36.0, "memory": 100 + late, "actors": 9, "files": 7, "cpu": number}

    figures = {figure.name: figure.value for figure in _slopes([sample(n) for n in range(100)])}
    assert figures["soak.memory.slope"] == pytest.approx(100.0)
    assert figures["soak.actors.slope"] == 0
    assert figures["soak.cpu.node"] == pytest.approx(1 / 36)


def test_all_takes_every_scenario_and_knows_its_options() -> None:
    for name, scenario in scenarios().items():
        parser = argparse.ArgumentParser()
        scenario.add_options(parser)
        parser.parse_args(every.QUICK.get(name, []))


def test_a_connection_that_was_closed_while_idle_costs_no_request() -> None:
    async def closes_after_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    async def twice() -> list[int]:
        server = await asyncio.start_server(closes_after_each, "127.0.0.1", 0)
        async with server:
            client = Client(Door("127.0.0.1", server.sockets[0].getsockname()[1], "t"))
            statuses = [(await client.send("GET", "/")).status for _ in range(2)]
            await client.close()
            await asyncio.sleep(0)
            return statuses

    assert asyncio.run(twice()) == [200, 200]
