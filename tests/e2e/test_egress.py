"""Network egress end to end: outside yes, other jobs no, the host's services not past the guard."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.node import NodeProcess, free_port
from tests.parts.dockerd import Dockerd
from tests.parts.images import find_static_busybox
from tests.parts.processes import end, wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

EGRESS = {"network": "egress"}
CONFIG = '[[pools]]\nname = "guarded"\nlabels = ["guarded"]\negress_guard = "require"\n'


@pytest.fixture
def engine(new_dockerd: Callable[..., Dockerd]) -> Dockerd:
    return new_dockerd(cable=True)


@pytest.fixture
def node(engine: Dockerd, tmp_path: Path) -> Iterator[NodeProcess]:
    """A node on the engine's own machine, as far as the network goes."""
    config = tmp_path / "runnerhub.toml"
    config.write_text(CONFIG)
    made = NodeProcess(
        tmp_path / "data",
        [f"h1={engine.url},slots=4,label=guarded"],
        arguments=["--config", str(config)],
        network=engine.network,
    )
    made.start()
    yield made
    made.close()


@contextmanager
def web_server(address: str, folder: Path, prefix: Sequence[str] = ()) -> Iterator[str]:
    """Serve a page at an address; yield where."""
    folder.mkdir()
    (folder / "page").write_text("here")
    where = f"{address}:{free_port()}"
    command = [*prefix, str(find_static_busybox()), "httpd", "-f", "-p", where, "-h", str(folder)]
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: _serves(f"http://{where}/page"), 10.0, "the web server answers")
        yield where
    finally:
        end(process, signal.SIGTERM, 5.0)


def _serves(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1.0).status_code == 200
    except httpx.HTTPError:
        return False


def asks(where: str, word: str) -> str:
    """Return the script that says a word when a web server answers."""
    address, port = where.rsplit(":", 1)
    ask = f"printf 'GET /page HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} {port}"
    return f"{ask} | grep -q ^HTTP && echo {word}"


def host_guard(engine: Dockerd, *arguments: str) -> int:
    """Run `runnerhub host-guard` on the engine's machine; return its exit code."""
    assert engine.network is not None
    command = [*engine.network.prefix, sys.executable, "-m", "runnerhub", "host-guard"]
    return subprocess.run([*command, *arguments], check=False, capture_output=True).returncode


def warnings(node: NodeProcess) -> list[str]:
    (host,) = node.client.get("/api/hosts").json()["hosts"]
    return [words for words in host["warnings"] if "guard" in words]


def test_outside_yes_other_jobs_no_and_the_host_not_past_the_guard(
    engine: Dockerd, node: NodeProcess, tmp_path: Path
) -> None:
    assert engine.network is not None
    assert engine.network.outside is not None
    assert engine.network.address is not None
    serve = "ip -o -4 addr show eth0; while true; do echo hello | nc -l -p 8000; done"
    other = node.submit("other", serve, execution=EGRESS)
    node.wait(other, phase="running")
    said = node.until(lambda: node.logs(other), 10.0, "the other job tells its address")
    address = said.split("inet ")[1].split("/")[0]

    outside = web_server(engine.network.outside, tmp_path / "outside")
    host = web_server(engine.network.address, tmp_path / "host", engine.network.prefix)
    with outside as outside_at, host as host_at:

        def reached(name: str) -> set[str]:
            at = {"OUTSIDE": outside_at, "HOST": host_at, "NODE": node.url.removeprefix("http://")}
            tries = [asks(where, word) for word, where in at.items()]
            tries += [f"nc -w 2 {address} 8000 </dev/null && echo OTHER", "true"]
            job = node.submit(name, "; ".join(tries), execution=EGRESS)
            assert node.wait(job)["conclusion"] == "success"
            return {word for word in node.logs(job).split() if word.isupper()}

        assert host_guard(engine, "--check") == 1
        assert len(warnings(node)) == 1
        assert "no egress guard" in warnings(node)[0]
        assert reached("without") == {"OUTSIDE", "HOST", "NODE"}
        refused = node.submit("refused", "true", execution=EGRESS, labels=["guarded"])
        ended = node.wait(refused)
        assert (ended["conclusion"], ended["reason"]) == ("failure", "start_failed")
        assert ended["explanation"] == "h1 has no egress guard, which the pool requires"
        isolated = node.submit("isolated", "true", labels=["guarded"])
        assert node.wait(isolated)["conclusion"] == "success"

        assert host_guard(engine) == 0
        assert host_guard(engine, "--check") == 0
        node.stop()
        node.start()  # it looks at its start, and each minute
        assert warnings(node) == []
        assert reached("with") == {"OUTSIDE"}
        allowed = node.submit("allowed", "true", execution=EGRESS, labels=["guarded"])
        assert node.wait(allowed)["conclusion"] == "success"
    assert node.client.post(f"/api/jobs/{other}/cancel").status_code == 202
    assert node.wait(other)["attempt"] == 1
    node.until(lambda: not engine.leftovers(), 20.0, "nothing is left")
