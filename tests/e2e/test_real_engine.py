"""The main job on a real Docker Engine, with the embedded servers: as an operator runs it."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import NodeProcess
from tests.parts.dockerd import Dockerd
from tests.parts.images import BUSYBOX

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

NewNode = Callable[..., NodeProcess]


KINDS: dict[str, tuple[int, dict[str, str], str]] = {
    "cold": (0, {}, ""),
    "warm": (
        4,
        {"RUNNERHUB_POOLS": json.dumps([{"name": "warm", "image": BUSYBOX, "warm": 4}])},
        "",
    ),
    "held": (4, {}, ",holders=4"),
}


# What does not depend on how a sandbox begins is not shown thrice.
ONE_KIND = pytest.mark.parametrize("kind", ["cold"], indirect=True)
TWO_KINDS = pytest.mark.parametrize("kind", ["cold", "warm"], indirect=True)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Whether sandboxes begin from nothing, or something of them is prepared ahead."""
    return str(request.param)


@pytest.fixture
def new_node(tmp_path: Path, kind: str) -> Iterator[NewNode]:
    nodes: list[NodeProcess] = []
    prepared, env, option = KINDS[kind]

    def make(engine: Dockerd, *, slots: int = 8, **more: Any) -> NodeProcess:
        node = NodeProcess(
            tmp_path / "data",
            [f"h1={engine.url},slots={slots},label=linux{option}"],
            env={**env, **more.pop("env", {})},
            **more,
        )
        node.prepared = prepared
        nodes.append(node)
        node.start()
        prepare(node, engine)
        return node

    yield make
    for node in nodes:
        node.close()


def prepare(node: NodeProcess, engine: Dockerd, within: float = 30.0) -> None:
    """Wait until what is to be prepared is there, and nothing else."""

    def count() -> tuple[int, int]:
        left = engine.leftovers()
        return len(left.get("containers", ())), len(left.get("networks", ()))

    expected = (node.prepared, node.prepared)
    node.until(lambda: count() == expected, within, f"{expected} prepared")


def nothing_left(node: NodeProcess, engine: Dockerd, within: float = 20.0) -> None:
    """Hold that only what is prepared is left, and after an orderly stop not even that."""
    prepare(node, engine, within)
    node.stop()
    assert engine.leftovers() == {}


def test_outcomes(docker_engine: Dockerd, new_node: NewNode) -> None:
    node = new_node(docker_engine)
    small = {"resources": {"memory_mb": 16}}
    eat = "x=$(head -c 64000000 /dev/zero | tr '\\0' x); echo $x | wc -c"
    jobs = {
        "success": node.submit(1, "echo hello"),
        "failure": node.submit(2, "exit 3"),
        "timed_out": node.submit(3, "sleep 60", timeout_seconds=1),
        "no-image": node.submit(4, "echo", image="127.0.0.1:1/none:1"),
        "127": node.submit(5, "", command=["no-such-command"]),
        "126": node.submit(6, "", command=["/etc"]),
        "memory": node.submit(7, eat, execution=small),
        "disk": node.submit(
            8,
            "dd if=/dev/zero of=/tmp/x bs=1M count=32",
            execution={"resources": {"tmpfs_mb": 8}},
        ),
    }
    ended = {name: node.wait(job_id, within=90) for name, job_id in jobs.items()}
    said = {n: (j["conclusion"], j["reason"], j["exit_code"]) for n, j in ended.items()}
    assert said["success"] == ("success", "completed", 0)
    assert said["failure"] == ("failure", "exit_code", 3)
    assert said["timed_out"][:2] == ("timed_out", "timeout")
    assert said["no-image"][:2] == ("failure", "image_unavailable")
    assert said["127"] == ("failure", "exit_code", 127)
    assert said["126"] == ("failure", "exit_code", 126)
    assert said["memory"][:2] == ("failure", "out_of_memory"), (
        ended["memory"],
        node.logs(jobs["memory"]),
    )
    assert said["disk"][:2] == ("failure", "disk_full")
    assert node.logs(jobs["success"]) == "hello\n"
    stamps = ended["success"]["timestamps"]
    order = ["accepted", "claimed", "placed", "image_ready", "created", "started", "exited"]
    times = [stamps[name] for name in [*order, "reaped"]]
    assert times == sorted(times)
    nothing_left(node, docker_engine)


@TWO_KINDS
def test_cancel_reaps(docker_engine: Dockerd, new_node: NewNode) -> None:
    node = new_node(docker_engine)
    job = node.submit(1, "sleep 300")
    node.wait(job, phase="running")
    assert node.client.post(f"/api/jobs/{job}/cancel").status_code == 202
    assert node.wait(job)["conclusion"] == "cancelled"
    assert node.client.post(f"/api/jobs/{job}/cancel").status_code == 409
    nothing_left(node, docker_engine)


def test_kill_9_loses_nothing(docker_engine: Dockerd, new_node: NewNode) -> None:
    node = new_node(docker_engine, slots=20)
    script = "for i in $(seq 1 120); do echo line $i; sleep 0.1; done"
    jobs = [node.submit(n, script) for n in range(20)]
    for job in jobs:
        node.wait(job, phase="running")
    before = {c["Id"] for c in docker_engine.get("/containers/json")}
    node.kill9()
    node.start()
    ended = [node.wait(job) for job in jobs]
    assert {job["conclusion"] for job in ended} == {"success"}
    assert {job["attempt"] for job in ended} == {1}
    assert len(before) >= 20
    for job in jobs:
        assert node.logs(job) == "".join(f"line {i}\n" for i in range(1, 121))
    nothing_left(node, docker_engine)


@TWO_KINDS
def test_an_engine_restart_is_no_failure(
    new_dockerd: Callable[..., Dockerd], new_node: NewNode
) -> None:
    engine = new_dockerd(live_restore=False)
    node = new_node(engine)
    job = node.submit(1, "echo begun; sleep 20; echo ended")
    node.wait(job, phase="running")
    engine.kill9()
    engine.start()
    ended = node.wait(job, within=120)
    assert (ended["conclusion"], ended["attempt"]) == ("success", 2)
    assert node.logs(job) == "begun\nended\n"
    nothing_left(node, engine, within=60)


def test_a_lost_host_gives_its_jobs_to_another(
    new_dockerd: Callable[..., Dockerd], tmp_path: Path
) -> None:
    first, second = new_dockerd(), new_dockerd()
    node = NodeProcess(
        tmp_path / "data",
        [f"h1={first.url},slots=1", f"h2={second.url},slots=1"],
        env={"RUNNERHUB_HOST_LOST_AFTER_SECONDS": "3"},
    )
    try:
        node.start()
        job = node.submit(1, "echo begun; sleep 8; echo ended")
        lost = first if node.wait(job, phase="running")["host"] == "h1" else second
        lost.kill9()
        ended = node.wait(job, within=90)
        assert (ended["conclusion"], ended["attempt"]) == ("success", 2)
        lost.start()
        node.until(
            lambda: not first.leftovers() and not second.leftovers(), 60.0, "nothing is left"
        )
    finally:
        node.close()


@TWO_KINDS
def test_ctrl_c_at_a_terminal_reaps(docker_engine: Dockerd, new_node: NewNode) -> None:
    node = new_node(docker_engine, terminal=True)
    job = node.submit(1, "sleep 300")
    node.wait(job, phase="running")
    assert node.stop(signal.SIGINT) == 0
    assert docker_engine.leftovers() == {}


@TWO_KINDS
def test_live_restore_is_not_noticed(docker_engine: Dockerd, new_node: NewNode) -> None:
    node = new_node(docker_engine)
    # Longer than a restart takes: what ends while its engine is away is not logged by the engine.
    job = node.submit(1, "for i in $(seq 1 60); do echo $i; sleep 0.2; done")
    node.wait(job, phase="running")
    docker_engine.kill9()
    docker_engine.start()
    ended = node.wait(job, within=90)
    assert (ended["conclusion"], ended["attempt"]) == ("success", 1)
    assert node.logs(job) == "".join(f"{i}\n" for i in range(1, 61))
    nothing_left(node, docker_engine, within=60)


@TWO_KINDS
def test_sigterm_hands_over_and_the_next_life_goes_on(
    docker_engine: Dockerd, new_node: NewNode
) -> None:
    node = new_node(docker_engine)
    job = node.submit(1, "echo one; sleep 5; echo two")
    node.wait(job, phase="running")
    began = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - began < 8
    running = docker_engine.get("/containers/json")
    assert [c["Image"] for c in running if "_holder" not in c["Names"][0]] == [BUSYBOX]
    node.start()
    ended = node.wait(job)
    assert (ended["conclusion"], ended["attempt"]) == ("success", 1)
    assert node.logs(job) == "one\ntwo\n"
    nothing_left(node, docker_engine)


@TWO_KINDS
def test_stop_in_reap_mode_leaves_nothing(docker_engine: Dockerd, new_node: NewNode) -> None:
    node = new_node(docker_engine, env={"RUNNERHUB_ON_STOP": "reap"})
    job = node.submit(1, "sleep 300")
    node.wait(job, phase="running")
    assert node.stop(signal.SIGTERM) == 0
    assert docker_engine.leftovers() == {}


@ONE_KIND
def test_embedded_servers_come_back(docker_engine: Dockerd, new_node: NewNode) -> None:
    node = new_node(docker_engine)
    running = node.submit(1, "sleep 3; echo done")
    node.wait(running, phase="running")
    for name in ("valkey-server", "postgres"):
        for pid in _children(node.pid, name):
            _kill(pid)
    node.until(node._answers, 30.0, "ready again")
    assert node.wait(running)["conclusion"] == "success"
    after = node.submit(2, "echo hi")
    assert node.wait(after)["conclusion"] == "success"
    nothing_left(node, docker_engine)


def _children(parent: int, name: str) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        command = text[text.index("(") + 1 : text.rindex(")")]
        if int(text[text.rindex(")") + 2 :].split()[1]) == parent and name.startswith(command[:14]):
            found.append(int(stat.parent.name))
    return found


def _kill(pid: int) -> None:
    import os

    os.kill(pid, signal.SIGKILL)
