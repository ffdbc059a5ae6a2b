"""Runners in simulated containers, at a simulated GitHub, on a mock clock."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import trio
from trio.testing import MockClock

from runnerhub.model.handover import hand_over, wait_command
from runnerhub.ports.engine import ContainerSpec
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.programs import running_programs
from runnerhub.sim.runner.inprocess import JIT_VARIABLE, Mood, as_program, run_runner
from tests.unit.sim_github.sut import REPO, Sim, a_sim

IMAGE = "runnerhub/sim-runner:1"
LABELS = {"dev.runnerhub.sandbox": "x"}


@dataclass
class World:
    sim: Sim
    engine: SimEngine
    client: httpx.AsyncClient

    async def start(self, name: str) -> None:
        """Register a runner and start its container."""
        blob = (await self.sim.jit(name))["encoded_jit_config"]
        env = {JIT_VARIABLE: blob}
        await self.engine.create_container(ContainerSpec(name, IMAGE, LABELS, env=env))
        await self.engine.start_container(name)

    async def order(self, name: str) -> int:
        jobs = [{"name": name, "labels": ["self-hosted"]}]
        made = await self.sim.call("POST", "/_sim/runs", {"repository": "acme/web", "jobs": jobs})
        return int(made["runs"][0]["jobs"][0])

    async def state(self, name: str) -> tuple[str, int | None]:
        found = await self.engine.inspect_container(name)
        assert found is not None
        return found.status, found.exit_code

    async def exit_code(self, name: str) -> int | None:
        """Wait for a container's end."""
        async with self.engine.logs(name) as log:
            async for _ in log:
                pass
        return (await self.state(name))[1]

    async def conclusion(self, job: int) -> str | None:
        found = await self.sim.job(job)
        return None if found["conclusion"] is None else str(found["conclusion"])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    moods = {"absent": Mood.ABSENT, "idle": Mood.IDLE, "dead": Mood.DEAD}
    async with a_sim() as sim, httpx.AsyncClient(transport=sim.github.transport) as client:
        program = as_program(client, mood=lambda name: moods.get(name, Mood.WELL))
        async with running_programs(JIT_VARIABLE, program) as programs:
            yield World(sim, SimEngine(images=[IMAGE], programs=programs), client)


@pytest.mark.parametrize(
    ("name", "conclusion", "seconds"),
    [("build", "success", 1), ("test fail 7s", "failure", 7), ("build (x, skipped)", "skipped", 1)],
)
async def test_a_container_ends_with_its_job(
    world: World, autojump_clock: MockClock, name: str, conclusion: str, seconds: float
) -> None:
    job = await world.order(name)
    began = trio.current_time()
    await world.start("r1")
    assert await world.exit_code("r1") == 0
    assert trio.current_time() - began == pytest.approx(seconds, abs=0.1)
    assert await world.conclusion(job) == conclusion
    assert await world.sim.runners() == []


async def test_it_waits_for_a_job_and_logs_what_it_does(
    world: World, autojump_clock: MockClock
) -> None:
    await world.start("r1")
    await trio.sleep(200)
    assert await world.state("r1") == ("running", None)
    job = await world.order("build")
    async with world.engine.logs("r1") as log:
        assert [entry.data async for entry in log] == [b"runs build\n"]
    assert await world.conclusion(job) == "success"


async def test_a_cancel_ends_it_at_once(world: World, autojump_clock: MockClock) -> None:
    job = await world.order("build hang")
    await world.start("r1")
    await trio.sleep(1000)
    cancelled_at = trio.current_time()
    await world.sim.call("POST", f"/_sim/jobs/{job}/cancel")
    assert await world.exit_code("r1") == 0
    assert trio.current_time() - cancelled_at < 0.1
    assert await world.conclusion(job) == "cancelled"


async def test_what_heeds_no_cancel_runs_on(world: World, autojump_clock: MockClock) -> None:
    job = await world.order("build stubborn")
    await world.start("r1")
    await trio.sleep(5)
    await world.sim.call("POST", f"/_sim/jobs/{job}/cancel")
    await trio.sleep(400)
    assert await world.conclusion(job) == "cancelled"
    assert await world.state("r1") == ("running", None)
    began = trio.current_time()
    await world.engine.stop_container("r1", 10)
    assert trio.current_time() - began == 10
    assert await world.state("r1") == ("exited", 137)


async def test_a_kill_is_no_word_to_github(world: World, autojump_clock: MockClock) -> None:
    job = await world.order("build hang")
    await world.start("r1")
    await trio.sleep(5)
    world.engine.crash()
    assert await world.state("r1") == ("exited", 137)
    assert await world.conclusion(job) is None
    await trio.sleep(700)
    assert await world.conclusion(job) == "failure"


async def test_a_stop_is_reported_within_its_grace(world: World, autojump_clock: MockClock) -> None:
    job = await world.order("build hang")
    await world.start("busy")
    await trio.sleep(5)
    await world.start("free")
    await trio.sleep(5)
    began = trio.current_time()
    for name in ("busy", "free"):
        await world.engine.stop_container(name, 30)
        assert await world.state(name) == ("exited", 0)
    assert trio.current_time() - began < 0.1
    assert await world.conclusion(job) == "cancelled"
    listed = await world.sim.call("GET", f"{REPO}/actions/runners")
    assert [(each["name"], each["status"]) for each in listed["runners"]] == [("free", "offline")]


async def test_a_deregistered_runner_exits(world: World, autojump_clock: MockClock) -> None:
    made = await world.sim.jit("late")
    await world.start("early")
    await trio.sleep(5)
    for runner in (await world.sim.call("GET", f"{REPO}/actions/runners"))["runners"]:
        await world.sim.call("DELETE", f"{REPO}/actions/runners/{runner['id']}")
    assert await world.exit_code("early") == 0
    assert await run_runner(made["encoded_jit_config"], world.client) == 0


@pytest.mark.parametrize(
    ("job_name", "status"),
    [("build crash", ("exited", 1)), ("build silent", ("running", None))],
)
async def test_a_job_can_end_without_a_word(
    world: World, autojump_clock: MockClock, job_name: str, status: tuple[str, int | None]
) -> None:
    job = await world.order(job_name)
    await world.start("r1")
    await trio.sleep(60)
    assert await world.state("r1") == status
    assert await world.conclusion(job) is None
    await trio.sleep(700)
    assert await world.conclusion(job) == "failure"


async def test_a_reported_job_can_leave_its_runner_behind(
    world: World, autojump_clock: MockClock
) -> None:
    job = await world.order("build linger")
    await world.start("r1")
    await trio.sleep(60)
    assert (await world.conclusion(job), await world.state("r1")) == ("success", ("running", None))
    await world.engine.remove_container("r1")


async def test_a_runner_can_fail_before_it_has_a_job(
    world: World, autojump_clock: MockClock
) -> None:
    for name in ("absent", "idle", "dead"):
        await world.start(name)
    job = await world.order("build")
    await trio.sleep(30)
    states = {name: (await world.state(name))[0] for name in ("absent", "idle", "dead")}
    assert states == {"absent": "running", "idle": "running", "dead": "exited"}
    listed = await world.sim.call("GET", f"{REPO}/actions/runners")
    online = {each["name"]: each["status"] for each in listed["runners"]}
    assert online == {"absent": "offline", "idle": "online", "dead": "offline"}
    assert await world.conclusion(job) is None


async def test_a_warm_sandbox_becomes_a_runner(world: World, autojump_clock: MockClock) -> None:
    job = await world.order("build 3s")
    blob = (await world.sim.jit("r1"))["encoded_jit_config"]
    command = wait_command("rh-x")
    await world.engine.create_container(ContainerSpec("rh-x", IMAGE, LABELS, command, stdin=True))
    await world.engine.start_container("rh-x")
    async with world.engine.open_stdin("rh-x") as stdin:
        await stdin.send(hand_over("rh-x", ("python3", "-m", "program"), {JIT_VARIABLE: blob}))
    assert await world.exit_code("rh-x") == 0
    assert await world.conclusion(job) == "success"


async def test_200_jobs_on_200_runners(world: World, autojump_clock: MockClock) -> None:
    names = ["build", "test fail", "deploy 5s", "lint hang"]
    jobs = [await world.order(names[number % 4]) for number in range(200)]
    for number in range(200):
        await world.start(f"r{number}")
        await trio.sleep(0.5)  # as fast as GitHub's secondary limits allow
    await trio.sleep(60)
    for job in jobs[3::4]:
        await world.sim.call("POST", f"/_sim/jobs/{job}/cancel")
    await trio.sleep(1)
    ended = Counter([await world.conclusion(job) for job in jobs])
    assert ended == {"success": 100, "failure": 50, "cancelled": 50}
    assert await world.sim.runners() == []
    states = Counter([(await world.state(f"r{number}")) for number in range(200)])
    assert states == {("exited", 0): 200}
