"""Jobs whose image a real registry has, or has not, or has slowly: what becomes of them."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.e2e.node import NodeProcess
from tests.parts.dockerd import Dockerd
from tests.parts.images import busybox_root
from tests.parts.registry import Registry, file_layer, random_layer

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

Parts = tuple[Registry, Dockerd]


@pytest.fixture(scope="module")
def node(registry: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node for all of these tests."""
    data = tmp_path_factory.mktemp("node") / "data"
    made = NodeProcess(data, [f"h1={registry[1].url},slots=4"])
    try:
        made.start()
        yield made
    finally:
        made.close()


def push(server: Registry, repository: str, words: str, size: int = 100_000) -> str:
    """Push an image of three layers whose file /words says so."""
    said = file_layer("words", f"{words}\n".encode())
    return server.push(repository, "1", busybox_root(), random_layer("more", size), said)


def test_several_jobs_at_once_pull_one_time(node: NodeProcess, registry: Parts) -> None:
    server, _ = registry
    image = push(server, "once", "hello")
    jobs = [node.submit(f"once-{n}", "cat /words", image=image) for n in range(4)]
    assert {node.wait(job)["conclusion"] for job in jobs} == {"success"}
    assert {node.logs(job) for job in jobs} == {"hello\n"}
    asked = server.requests("/once/")
    assert sorted(asked) == sorted(set(asked))
    assert len([line for line in asked if "/manifests/1" in line]) == 1
    later = node.submit("once-later", "cat /words", image=image)
    assert node.wait(later)["conclusion"] == "success"
    assert server.requests("/once/") == asked


def test_a_slow_pull_is_told_and_can_be_cancelled(node: NodeProcess, registry: Parts) -> None:
    server, engine = registry
    image = push(server, "slow", "slow", size=3_000_000)
    pulling = re.compile(r"h1 is pulling \S+/slow:1 \(([1-9]\d?) % of \d\.\d MB, \d of 3 layers\)")
    with server.proxy() as proxy:
        proxy.bytes_per_second = 300_000
        image = proxy.through(image)
        first, second = (node.submit(f"slow-{n}", "cat /words", image=image) for n in range(2))

        def percent(at_least: int) -> bool:
            told = [pulling.fullmatch(node.status(job)["explanation"]) for job in (first, second)]
            return all(found and int(found[1]) >= at_least for found in told)

        node.until(lambda: percent(5), 15.0, "both are told how far it is")
        node.until(lambda: percent(15), 15.0, "it moves")
        began = time.monotonic()
        assert node.client.post(f"/api/jobs/{first}/cancel").status_code == 202
        assert node.wait(first)["conclusion"] == "cancelled"
        assert time.monotonic() - began < 2
        assert not engine.has_image(image)
        proxy.bytes_per_second = None
        assert node.wait(second)["conclusion"] == "success"
        assert node.logs(second) == "slow\n"


def test_a_missing_tag_fails_all_who_want_it_with_the_registrys_words(
    node: NodeProcess, registry: Parts
) -> None:
    server, _ = registry
    image = push(server, "there", "there").replace(":1", ":2")
    jobs = [node.submit(f"there-{n}", "true", image=image) for n in range(4)]
    for ended in [node.wait(job, within=20) for job in jobs]:
        assert (ended["conclusion"], ended["reason"]) == ("failure", "image_unavailable")
        assert image in ended["explanation"]
        assert "(3 tries)" in ended["explanation"]
        assert "manifest unknown" in ended["explanation"]
    tries = [line for line in server.requests("/there/") if line.startswith("HEAD")]
    assert len(tries) == 3


def test_a_registry_that_is_down_is_asked_three_times(node: NodeProcess, registry: Parts) -> None:
    server, engine = registry
    image = push(server, "down", "up again")
    server.stop()
    try:
        began = time.monotonic()
        ended = node.wait(node.submit("down-1", "true", image=image))
        assert time.monotonic() - began < 20
    finally:
        server.start()
    assert (ended["conclusion"], ended["reason"]) == ("failure", "image_unavailable")
    assert "(3 tries)" in ended["explanation"]
    assert "connection refused" in ended["explanation"]
    again = node.submit("down-2", "cat /words", image=image)
    assert node.wait(again)["conclusion"] == "success"
    node.until(lambda: not engine.leftovers(), 10.0, "nothing is left")
