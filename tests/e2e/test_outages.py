"""A node whose dependencies are taken away: nothing accepted is lost, nothing created is leaked."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.node import NodeProcess
from tests.parts.dockerd import Dockerd
from tests.parts.images import BUSYBOX
from tests.parts.postgres import PostgresServer
from tests.parts.redis import RedisServer

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture
def node(
    tmp_path: Path,
    docker_engine: Dockerd,
    fresh_database: str,
    redis_url: str,
) -> Iterator[NodeProcess]:
    made = NodeProcess(
        tmp_path / "data",
        [f"h1={docker_engine.url},slots=10"],
        env={"DATABASE_URL": fresh_database, "REDIS_URL": redis_url},
    )
    made.start()
    yield made
    made.close()


def test_another_node_takes_over(
    node: NodeProcess,
    tmp_path: Path,
    docker_engine: Dockerd,
    fresh_database: str,
    redis_url: str,
) -> None:
    other = NodeProcess(
        tmp_path / "other",
        [f"h1={docker_engine.url},slots=10"],
        env={"DATABASE_URL": fresh_database, "REDIS_URL": redis_url},
    )
    try:
        other.start()
        job = other.submit(1, "for i in $(seq 1 300); do echo $i; sleep 0.1; done")
        node.wait(job, phase="running")
        assert other.client.get("/api/hosts").json()["hosts"][0]["state"] == "not_ours"
        node.kill9()
        ended = other.wait(job, within=90)
        assert (ended["conclusion"], ended["attempt"]) == ("success", 1)
        assert other.logs(job) == "".join(f"{i}\n" for i in range(1, 301))
        other.until(lambda: not docker_engine.leftovers(), 30.0, "nothing is left")
    finally:
        other.close()


def test_services_are_reached_by_name_once_ready(node: NodeProcess, docker_engine: Dockerd) -> None:
    web = {
        "name": "web",
        "image": BUSYBOX,
        "command": [
            "sh",
            "-c",
            "mkdir /w; sleep 1; echo hello from web >/w/a; httpd -f -p 80 -h /w",
        ],
        "ready": {"command": ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1/a"]},
    }
    job = node.submit(1, "wget -q -O - http://web/a", execution={"services": [web]})
    assert node.wait(job)["conclusion"] == "success", node.status(job)
    assert node.logs(job) == "hello from web\n"
    dead = {"name": "dead", "image": BUSYBOX, "command": ["false"], "ready": {"command": ["true"]}}
    job = node.submit(2, "true", execution={"services": [dead]})
    assert node.wait(job)["reason"] == "service_not_ready"
    node.until(lambda: not docker_engine.leftovers(), 30.0, "nothing is left")


def test_a_log_is_followed_for_as_long_as_its_job_lasts(node: NodeProcess) -> None:
    job = node.submit(1, "echo begun; sleep 35; echo ended")
    with node.client.stream(
        "GET", f"/api/jobs/{job}/logs", params={"follow": "true"}, timeout=60.0
    ) as answer:
        assert b"".join(answer.iter_bytes()) == b"begun\nended\n"


def test_redis_away_still_accepts(
    node: NodeProcess, docker_engine: Dockerd, redis_server: RedisServer
) -> None:
    redis_server.stop()
    try:
        job = node.submit(1, "echo hi")
        assert node.client.get("/api/health/ready").status_code == 200
    finally:
        redis_server.start()
    assert node.wait(job, within=90)["conclusion"] == "success"


def test_postgres_away_for_20_seconds(
    node: NodeProcess, docker_engine: Dockerd, postgres_server: PostgresServer
) -> None:
    running = [node.submit(n, "sleep 12; echo done") for n in range(4)]
    for job in running:
        node.wait(job, phase="running")
    postgres_server.kill9()
    refused = node.client.post(
        "/api/jobs/delegate",
        json={
            "external_id": "late",
            "repository": "acme/web",
            "execution": {"kind": "command", "image": "busybox"},
        },
    )
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert len(docker_engine.get("/containers/json")) == 4
    # The outage outlasts the lease: trust runs out, and nobody touches a container meanwhile.
    try:
        node.until(lambda: _ended(docker_engine), 30.0, "the commands have ended by themselves")
        _nothing_happens_for(node, 8.0)
        assert len(docker_engine.get("/containers/json?all=true")) == 4
    finally:
        postgres_server.start()
    ended = [node.wait(job, within=60) for job in running]
    assert {(job["conclusion"], job["attempt"]) for job in ended} == {("success", 1)}
    assert {node.logs(job) for job in running} == {"done\n"}
    node.until(lambda: not docker_engine.leftovers(), 20.0, "nothing is left")


def _ended(engine: Dockerd) -> bool:
    return not engine.get("/containers/json")


def _nothing_happens_for(node: NodeProcess, seconds: float) -> None:
    with pytest.raises(AssertionError, match="ready although"):
        node.until(lambda: _ready(node), seconds, "ready although PostgreSQL is away")


def _ready(node: NodeProcess) -> bool:
    try:
        return httpx.get(f"{node.url}/api/health/ready", timeout=5.0).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_engine_is_killed_under_jobs(
    node: NodeProcess, docker_engine: Dockerd, redis_url: str
) -> None:
    jobs = [node.submit(n, "echo a; sleep 6; echo b") for n in range(6)]
    for job in jobs:
        node.wait(job, phase="running")
    docker_engine.kill9()
    docker_engine.start()
    assert {node.wait(job, within=90)["conclusion"] for job in jobs} == {"success"}
    assert {node.logs(job) for job in jobs} == {"a\nb\n"}
    node.until(lambda: not docker_engine.leftovers(), 30.0, "nothing is left")


def test_two_isolated_jobs_reach_neither_each_other_nor_the_host(
    node: NodeProcess, new_dockerd: Callable[..., Dockerd], docker_engine: Dockerd
) -> None:
    first = node.submit(1, "ip addr show eth0 | grep inet; nc -l -p 9 & sleep 15")
    node.wait(first, phase="running")
    said = node.until(lambda: node.logs(first), 10.0, "the first job tells its address")
    address = said.split()[1].split("/")[0]
    gateway = address.rsplit(".", 1)[0] + "." + str(int(address.rsplit(".", 1)[1]) - 1)
    probe = node.submit(
        2, f"for a in {address} {gateway}; do nc -w 1 $a 9 && echo REACHED $a; done; echo looked"
    )
    assert node.wait(probe)["conclusion"] == "success"
    assert "REACHED" not in node.logs(probe)
    node.client.post(f"/api/jobs/{first}/cancel")
    node.wait(first)
