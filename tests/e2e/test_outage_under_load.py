"""PostgreSQL is stopped for 20 seconds while jobs are submitted and run."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.e2e.node import NodeProcess
from tests.parts.dockerd import Dockerd
from tests.parts.images import BUSYBOX
from tests.parts.postgres import PostgresServer

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

OUTAGE_SECONDS = 20.0
SUBMITTERS = 3


@dataclass
class Load:
    """Clients that submit without pause; one that is refused waits a second and goes on.

    Attributes:
        accepted: job ids by external id.
        refused: answers that were no acceptance, by external id.
        slowest: the longest time that any answer took, in seconds.
    """

    node: NodeProcess
    accepted: dict[str, str] = field(default_factory=dict)
    refused: dict[str, httpx.Response] = field(default_factory=dict)
    slowest: float = 0.0
    accepted_at: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    def submit(self, name: str) -> bool:
        body = {
            "external_id": name,
            "repository": "acme/web",
            "execution": {
                "kind": "command",
                "image": BUSYBOX,
                "command": ["sh", "-c", f"echo {name}; sleep 2; echo done"],
                "network": "none",
            },
        }
        began = time.monotonic()
        answer = self.node.client.post("/api/jobs/delegate", json=body)
        self.accepted_at = time.monotonic()
        self.slowest = max(self.slowest, self.accepted_at - began)
        if answer.status_code in {200, 201}:
            self.accepted[name] = answer.json()["id"]
            return True
        self.refused[name] = answer
        return False

    def run(self, who: int) -> None:
        for number in range(10_000):
            if self.stop.is_set():
                return
            self.stop.wait(0.4 if self.submit(f"load-{who}-{number}") else 1.0)


@pytest.fixture
def node(
    tmp_path: Path, docker_engine: Dockerd, fresh_database: str, redis_url: str
) -> Iterator[NodeProcess]:
    made = NodeProcess(
        tmp_path / "data",
        [f"h1={docker_engine.url},slots=12"],
        env={"DATABASE_URL": fresh_database, "REDIS_URL": redis_url},
    )
    made.start()
    yield made
    made.close()


def test_what_was_accepted_runs_and_what_was_refused_can_be_asked_again(
    node: NodeProcess,
    docker_engine: Dockerd,
    postgres_server: PostgresServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pid, load = node.pid, Load(node)
    submitters = [threading.Thread(target=load.run, args=(who,)) for who in range(SUBMITTERS)]
    for each in submitters:
        each.start()
    try:
        node.until(lambda: len(docker_engine.container_ids()) >= 6, 30.0, "jobs run")
        before = len(load.accepted)
        postgres_server.stop()
        stopped_at = time.monotonic()
        node.until(lambda: load.refused, 15.0, "the first submitter is refused")
        there = set(docker_engine.container_ids())
        assert len(there) >= 6
        assert httpx.get(f"{node.url}/api/health").status_code == 200
        assert httpx.get(f"{node.url}/api/health/ready", timeout=5.0).status_code == 503
        time.sleep(stopped_at + OUTAGE_SECONDS - time.monotonic())
        assert there <= set(docker_engine.container_ids()), "removed while nobody could know"
        during = len(load.accepted)
        postgres_server.start()
        started_at = time.monotonic()
        node.until(lambda: len(load.accepted) > during, 20.0, "a submitter is accepted again")
        resumed = load.accepted_at - started_at
        time.sleep(3.0)
    finally:
        postgres_server.start()
        load.stop.set()
        for each in submitters:
            each.join(20.0)

    refused = dict(load.refused)
    assert {answer.status_code for answer in refused.values()} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused.values())
    assert all(load.submit(name) for name in refused)
    names = {job_id: name for name, job_id in load.accepted.items()}
    assert len(names) == len(load.accepted)
    ended = [node.wait(job_id, within=120.0) for job_id in names]
    assert {(job["conclusion"], job["attempt"]) for job in ended} == {("success", 1)}
    for job_id, name in names.items():
        assert node.logs(job_id) == f"{name}\ndone\n"
    listed = node.client.get("/api/jobs?limit=1000").json()["jobs"]
    assert {job["id"] for job in listed} == set(names)
    assert node.pid == pid
    node.until(lambda: not docker_engine.leftovers(), 20.0, "nothing is left")
    with capsys.disabled():
        print(  # noqa: T201 - how an outage looks from outside
            f"\n{before} accepted before; {len(there)} containers outlived {OUTAGE_SECONDS:g} s"
            f" without PostgreSQL; {len(refused)} refused, the slowest answer {load.slowest:.1f} s;"
            f" accepted again {resumed:.1f} s after its start; all {len(names)} ran once"
        )
