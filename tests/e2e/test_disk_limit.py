"""`disk_mb` end to end: kept where the storage driver can, and said where it cannot."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import NodeProcess
from tests.parts.dockerd import Dockerd

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

NewNode = Callable[[Dockerd], NodeProcess]
WRITE_64_MB = "dd if=/dev/zero of=/big bs=1M count=64 && sync && echo all"


@pytest.fixture
def new_node(tmp_path: Path) -> Iterator[NewNode]:
    nodes: list[NodeProcess] = []

    def make(engine: Dockerd) -> NodeProcess:
        nodes.append(NodeProcess(tmp_path / "data", [f"h1={engine.url},slots=4"]))
        nodes[0].start()
        return nodes[0]

    yield make
    for node in nodes:
        node.close()


def with_disk(disk_mb: int) -> dict[str, Any]:
    return {"resources": {"disk_mb": disk_mb}, "network": "none"}


def warnings(node: NodeProcess) -> list[str]:
    (host,) = node.client.get("/api/hosts").json()["hosts"]
    return [words for words in host["warnings"] if "disk_mb" in words]


def test_a_job_that_writes_more_than_its_disk_fails_with_words(
    new_dockerd: Callable[..., Dockerd], new_node: NewNode
) -> None:
    engine = new_dockerd(storage_driver="btrfs")
    node = new_node(engine)
    fits = node.submit(1, WRITE_64_MB, execution=with_disk(128))
    too_much = node.submit(2, WRITE_64_MB, execution=with_disk(24))
    no_room_at_all = node.submit(3, "true", execution=with_disk(1))
    assert node.wait(fits)["explanation"] == "the command exited 0", node.logs(fits)
    ended = node.wait(too_much)
    assert (ended["conclusion"], ended["reason"]) == ("failure", "disk_full")
    assert "a disk or /tmp is full" in ended["explanation"]
    assert "all" not in node.logs(too_much)
    ended = node.wait(no_room_at_all)
    assert (ended["conclusion"], ended["reason"]) == ("failure", "disk_full")
    assert "the image fills resources.disk_mb" in ended["explanation"]
    assert not warnings(node)
    node.until(lambda: not engine.leftovers(), 20.0, "nothing is left")


def test_where_the_engine_cannot_limit_it_host_and_job_say_so(
    docker_engine: Dockerd, new_node: NewNode
) -> None:
    if docker_engine.get("/info")["Driver"] != "overlay2":
        pytest.skip("this machine's engine does not choose overlay2")
    node = new_node(docker_engine)
    words = "disk_mb has no effect: the storage driver overlay2 limits no disk"
    job = node.submit(1, f"{WRITE_64_MB}; sleep 1", execution=with_disk(24))
    running = node.wait(job, phase="running")
    assert running["explanation"] == f"running on h1; {words}"
    ended = node.wait(job)
    assert (ended["conclusion"], ended["reason"]) == ("success", "completed")
    assert ended["explanation"] == f"the command exited 0; {words}"
    events = node.client.get(f"/api/jobs/{job}/events").json()["events"]
    assert [words in event["data"].get("explanation", "") for event in events].count(True) == 1
    assert warnings(node) == [words]
    unlimited = node.submit(2, "true", execution={"network": "none"})
    assert node.wait(unlimited)["explanation"] == "the command exited 0"
