"""A job from queued to completed, and what becomes of its runner."""

import base64
import hashlib
import hmac
import json

from trio.testing import MockClock, wait_all_tasks_blocked

from tests.unit.sim_github.sut import REPO, Sim


async def test_a_job_runs_on_a_just_in_time_runner_that_is_gone_afterwards(
    sim: Sim, autojump_clock: MockClock
) -> None:
    made = await sim.jit("r1", "self-hosted", "linux")
    assert made["runner"]["status"] == "offline"
    [job] = await sim.order("linux", workflow={"text": "on: push"})
    runner = await sim.runner(made["encoded_jit_config"])
    order = await runner.message()
    assert order["job_id"] == job
    assert order["workflow"]["text"] == "on: push"
    listed = await sim.call("GET", f"{REPO}/actions/runners/{made['runner']['id']}")
    assert (listed["status"], listed["busy"]) == ("online", True)
    await runner.say(job, "steps", {"number": 1, "name": "make", "conclusion": "success"})
    await runner.finish(job)
    assert await sim.runners() == []
    seen = await sim.call("GET", f"{REPO}/actions/jobs/{job}")
    assert (seen["status"], seen["conclusion"]) == ("completed", "success")
    assert seen["steps"][0]["name"] == "make"
    run = await sim.call("GET", f"{REPO}/actions/runs/{seen['run_id']}")
    assert (run["status"], run["conclusion"]) == ("completed", "success")


async def test_every_change_is_told_signed_and_in_githubs_shape(
    sim: Sim, autojump_clock: MockClock
) -> None:
    made = await sim.jit("r1")
    [job] = await sim.order()
    runner = await sim.runner(made["encoded_jit_config"])
    await runner.message()
    await runner.finish(job, "failure")
    await wait_all_tasks_blocked()
    told = [each.what for each in sim.hooked.received]
    assert [what for event, what in told if event == "workflow_job"] == [
        "queued",
        "in_progress",
        "completed",
    ]
    assert [what for event, what in told if event == "workflow_run"] == [
        "requested",
        "in_progress",
        "completed",
    ]
    started, ended = sim.hooked.jobs("in_progress")[0], sim.hooked.jobs("completed")[0]
    assert (started["id"], started["runner_name"], started["status"]) == (job, "r1", "in_progress")
    assert ended["conclusion"] == "failure"
    for each in sim.hooked.received:
        want = hmac.new(b"s3cret", each.body, hashlib.sha256).hexdigest()
        assert each.headers["x-hub-signature-256"] == f"sha256={want}"
        assert each.json["repository"]["full_name"] == "acme/web"


async def test_the_blob_is_files_in_base64(sim: Sim, autojump_clock: MockClock) -> None:
    made = await sim.jit("r1", "gpu")
    files = json.loads(base64.b64decode(made["encoded_jit_config"]))
    assert set(files) == {".runner", ".credentials", ".credentials_rsaparams"}
    settings = json.loads(base64.b64decode(files[".runner"]))
    assert settings["AgentName"] == "r1"
    assert settings["GitHubUrl"] == "http://github.test/acme/web"


async def test_a_runner_takes_whatever_job_has_its_labels_the_oldest_first(
    sim: Sim, autojump_clock: MockClock
) -> None:
    blobs = [(await sim.jit(name, "linux"))["encoded_jit_config"] for name in ("r1", "r2")]
    await sim.order("gpu")
    first, second = await sim.order("linux", count=2)
    late = await sim.runner(blobs[1])
    early = await sim.runner(blobs[0])
    assert (await late.message())["job_id"] == first
    assert (await early.message())["job_id"] == second
