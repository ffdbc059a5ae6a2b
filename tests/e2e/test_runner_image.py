"""The image of runners on a real engine, at a simulated GitHub: real steps, real ends."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import trio

from runnerhub.sim.github.serving import SimGitHub, serve_sim_github
from runnerhub.sim.runner.image import IMAGE
from tests.parts import dockerd, require, runner_image
from tests.parts.dockerd import Dockerd

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

WORKFLOW = """
name: ci
on: push
jobs:
  build:
    runs-on: [self-hosted, linux]
    steps:
      - name: Say
        run: |
          echo "hello from $GITHUB_REPOSITORY in run $GITHUB_RUN_ID"
          echo "to the error stream" >&2
          echo "KEPT=across steps" >> "$GITHUB_ENV"
      - run: echo "kept $KEPT"; env | grep -c JITCONFIG || true
  broken:
    name: It breaks
    runs-on: self-hosted
    steps:
      - name: Break
        run: echo about to break; exit 1
      - name: Never
        run: echo not reached
      - name: Tidy
        if: always()
        run: echo tidied
  endless:
    runs-on: self-hosted
    steps:
      - name: Wait
        run: echo waiting; sleep 1000
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Dockerd]:
    for part, reason in (("Docker Engine", dockerd.missing()), ("act", runner_image.missing())):
        if reason:
            require(part, reason)
    with Dockerd(cable=True) as made:
        runner_image.import_runner(made)
        yield made


@dataclass
class World:
    """An engine, a simulated GitHub that its containers reach, and a client of both."""

    engine: Dockerd
    github: SimGitHub
    client: httpx.AsyncClient
    docker: httpx.AsyncClient

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.client.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def order(self, name: str, text: str = WORKFLOW, file: str = "ci") -> int:
        """Queue a job; return its number."""
        jobs = [{"name": name, "labels": ["self-hosted"]}]
        workflow = {"path": f".github/workflows/{file}.yml", "text": text}
        body = {"repository": "acme/web", "jobs": jobs, "workflow": workflow}
        return int((await self.call("POST", "/_sim/runs", body))["runs"][0]["jobs"][0])

    async def jit(self, name: str) -> Any:
        body = {"name": name, "runner_group_id": 1, "labels": ["self-hosted"]}
        path = "/repos/acme/web/actions/runners/generate-jitconfig"
        return await self.call("POST", path, body)

    async def start(self, name: str, blob: str, *command: str, **host: Any) -> None:
        """Start a container of the image, as little privileged as RunnerHub's are."""
        limits = {"CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]}
        body = {
            "Image": IMAGE,
            "Env": [f"ACTIONS_RUNNER_INPUT_JITCONFIG={blob}"],
            "HostConfig": {**limits, **host},
        }
        if command:
            body["Cmd"] = list(command)
        made = await self.docker.post("/containers/create", params={"name": name}, json=body)
        made.raise_for_status()
        (await self.docker.post(f"/containers/{name}/start")).raise_for_status()

    async def exit_code(self, name: str) -> int:
        """Wait for a container's end."""
        ended = await self.docker.post(f"/containers/{name}/wait")
        return int(ended.raise_for_status().json()["StatusCode"])

    async def said(self, name: str) -> str:
        params = {"stdout": "true", "stderr": "true"}
        return (await self.docker.get(f"/containers/{name}/logs", params=params)).text

    async def job(self, number: int) -> Any:
        return await self.call("GET", f"/_sim/jobs/{number}")

    async def log(self, number: int) -> str:
        return (await self.client.get(f"/_sim/jobs/{number}/log")).text

    async def runners(self) -> list[str]:
        found = await self.call("GET", "/repos/acme/web/actions/runners")
        return [each["name"] for each in found["runners"]]

    async def until(self, look: Callable[[], Any], what: str, within: float = 30.0) -> None:
        with trio.move_on_after(within):
            while not await look():
                await trio.sleep(0.05)
            return
        raise TimeoutError(what)


@pytest.fixture
async def world(engine: Dockerd) -> AsyncIterator[World]:
    assert engine.network is not None
    assert engine.network.outside is not None
    socket = httpx.AsyncHTTPTransport(uds=f"{engine.folder}/docker.sock")
    async with (
        serve_sim_github(engine.network.outside) as github,
        httpx.AsyncClient(
            base_url=github.url, headers={"authorization": f"Bearer {github.token}"}
        ) as client,
        httpx.AsyncClient(transport=socket, base_url="http://engine/v1.41", timeout=60.0) as docker,
    ):
        github.state.places.add_repository("acme/web")
        yield World(engine, github, client, docker)
    engine.wipe()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


async def test_a_workflow_really_runs_and_its_runner_is_gone(world: World) -> None:
    job = await world.order("build")
    made = await world.jit("r1")
    await world.start("r1", made["encoded_jit_config"])
    assert await world.exit_code("r1") == 0
    ended = await world.job(job)
    log = await world.log(job)
    assert (ended["conclusion"], ended["runner_name"]) == ("success", "r1"), log
    steps = {step["name"]: step["conclusion"] for step in ended["steps"]}
    assert steps["Say"] == "success"
    assert (next(iter(steps)), ended["steps"][-1]["name"]) == ("Set up job", "Complete job")
    assert f"hello from acme/web in run {ended['run_id']}\n" in log
    assert "to the error stream" in log
    assert "kept across steps" in log
    assert await world.runners() == []


async def test_a_step_that_exits_1_fails_its_job_and_what_is_always_runs(world: World) -> None:
    job = await world.order("It breaks")
    await world.start("r1", (await world.jit("r1"))["encoded_jit_config"])
    assert await world.exit_code("r1") == 0
    ended, log = await world.job(job), await world.log(job)
    assert ended["conclusion"] == "failure", log
    steps = {step["name"]: step["conclusion"] for step in ended["steps"]}
    assert (steps["Break"], steps["Tidy"]) == ("failure", "success")
    assert "about to break" in log
    assert "tidied" in log
    assert "not reached" not in log
    assert await world.runners() == []


async def test_the_blob_is_in_no_environment_of_a_step_and_tmp_is_enough(world: World) -> None:
    job = await world.order("build")
    blob = (await world.jit("r1"))["encoded_jit_config"]
    await world.start("r1", blob, ReadonlyRootfs=True, Tmpfs={"/tmp": "size=32m"})
    await world.exit_code("r1")
    log = await world.log(job)
    assert any(line.endswith("Z 0") for line in log.splitlines()), log
    assert blob not in log
    assert blob not in await world.said("r1")


async def test_the_log_comes_step_by_step_and_a_cancel_ends_it_within_seconds(
    world: World,
) -> None:
    job = await world.order("endless")
    await world.start("r1", (await world.jit("r1"))["encoded_jit_config"])

    async def waits() -> bool:
        return "Z waiting" in await world.log(job)

    await world.until(waits, "the step's output is there while it runs")
    shown = await world.job(job)
    steps = {step["name"]: step["status"] for step in shown["steps"]}
    assert (shown["status"], steps["Wait"]) == ("in_progress", "in_progress")
    with within(8.0):
        await world.call("POST", f"/repos/acme/web/actions/runs/{shown['run_id']}/cancel")
        assert await world.exit_code("r1") == 0
    ended = await world.job(job)
    assert ended["conclusion"] == "cancelled"
    assert await world.runners() == []


async def test_a_stop_of_the_container_is_reported_as_cancelled(world: World) -> None:
    job = await world.order("endless")
    await world.start("r1", (await world.jit("r1"))["encoded_jit_config"])

    async def waits() -> bool:
        return "Z waiting" in await world.log(job)

    await world.until(waits, "it runs")
    with within(8.0):
        await world.docker.post("/containers/r1/stop", params={"t": 20})
    assert await world.exit_code("r1") == 0
    assert (await world.job(job))["conclusion"] == "cancelled"


async def test_a_runner_that_is_deregistered_exits(world: World) -> None:
    early, late = await world.jit("early"), await world.jit("late")
    await world.start("early", early["encoded_jit_config"])

    async def online() -> bool:
        found = await world.call("GET", "/repos/acme/web/actions/runners")
        return any(each["status"] == "online" for each in found["runners"])

    await world.until(online, "it is online")
    for made in (early, late):
        path = f"/repos/acme/web/actions/runners/{made['runner']['id']}"
        await world.call("DELETE", path)
    with within(5.0):
        assert await world.exit_code("early") == 0
    await world.start("late", late["encoded_jit_config"])
    with within(5.0):
        assert await world.exit_code("late") == 0
    assert "deregistered" in await world.said("early")
    assert "deregistered" in await world.said("late")


async def test_what_act_cannot_read_fails_and_says_why(world: World) -> None:
    broken = await world.order("build", "jobs: [", "broken")
    unknown = await world.order("nobody")
    for name in ("r1", "r2"):
        await world.start(name, (await world.jit(name))["encoded_jit_config"])
        assert await world.exit_code(name) == 0
    assert (await world.job(broken))["conclusion"] == "failure"
    assert "yaml" in await world.log(broken)
    assert (await world.job(unknown))["conclusion"] == "failure"
    assert "no job 'nobody'" in await world.log(unknown)


async def test_pretended_jobs_end_as_their_names_say(world: World) -> None:
    fake = ("python3", "-m", "program", "--steps", "fake")
    names = {"build 100ms": "success", "test 100ms fail": "failure", "lint skipped 0s": "skipped"}
    jobs = {name: await world.order(name) for name in names}
    for number in range(len(jobs)):
        made = await world.jit(f"r{number}")
        await world.start(f"r{number}", made["encoded_jit_config"], *fake)
    for number in range(len(jobs)):
        assert await world.exit_code(f"r{number}") == 0
    ended = {name: (await world.job(job))["conclusion"] for name, job in jobs.items()}
    assert ended == names
    state = json.loads((await world.client.get("/_sim/state")).text)
    assert state["runners"]["registered"] == 0
