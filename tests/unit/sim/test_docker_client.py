"""The `docker` command-line client on a simulated host."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.parts import require
from tests.unit.sim.serving import run, sim_hosts

Docker = Callable[..., subprocess.CompletedProcess[str]]
IMAGE = "busybox:1"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("docker") is None:
        require("docker client", "it is not installed (Debian: docker.io)")
    folder = tmp_path_factory.mktemp("sim")
    with sim_hosts(folder, "--pullable", "tools/made:2") as urls:
        yield urls[0]


@pytest.fixture
def docker(url: str, tmp_path: Path) -> Docker:
    def client(*arguments: str, code: int = 0, stdin: str = "") -> Any:
        base = ["docker", "--config", str(tmp_path), "-H", url]
        done = run([*base, *arguments], stdin=stdin)
        assert done.returncode == code, done
        return done

    return client


def test_it_says_what_it_is(docker: Docker) -> None:
    assert docker("version", "--format", "{{.Server.APIVersion}}").stdout == "1.41\n"
    assert "RunnerHub simulated host" in docker("info").stdout
    assert "busybox" in docker("images").stdout
    assert docker("volume", "ls", "-q").stdout == ""


def test_run_passes_on_output_and_exit_code(docker: Docker) -> None:
    script = "echo a; sleep 0.1; echo b >&2; exit 3"
    done = docker("run", "--rm", IMAGE, "sh", "-c", script, code=3)
    assert (done.stdout, done.stderr) == ("a\n", "b\n")
    assert docker("run", "--rm", IMAGE, "echo", "at", "once").stdout == "at once\n"
    assert docker("run", "--rm", "-i", IMAGE, "cat", stdin="to and fro\n").stdout == "to and fro\n"
    assert docker("run", "--rm", "-i", IMAGE, "sh", stdin="exit 4\n", code=4).stdout == ""
    assert "not found" in docker("run", "--rm", IMAGE, "no-such-program", code=127).stderr
    assert docker("ps", "-aq").stdout == ""


def test_a_detached_container_is_followed_and_ended(docker: Docker) -> None:
    script = "echo a; sleep 0.2; echo b; sleep 60"
    made = docker("run", "-d", "--name", "rh-one", "--label", "k=v", IMAGE, "sh", "-c", script)
    container = made.stdout.strip()
    assert len(container) == 64
    assert docker("ps", "--filter", "label=k=v", "--format", "{{.Names}}").stdout == "rh-one\n"
    assert docker("inspect", "-f", "{{.State.Status}}", container[:12]).stdout == "running\n"
    assert docker("exec", "rh-one", "echo", "inside").stdout == "inside\n"
    docker("exec", "rh-one", "false", code=1)
    assert "running container" in docker("rm", "rh-one", code=1).stderr
    docker("kill", "rh-one")
    assert docker("logs", "-f", "rh-one").stdout.startswith("a\n")
    assert docker("wait", "rh-one").stdout == "137\n"
    docker("start", "rh-one")
    docker("stop", "-t", "0", "rh-one")
    docker("rm", "-f", "rh-one")
    assert "No such" in docker("inspect", "rh-one", code=1).stderr


def test_a_log_is_followed_to_the_end(docker: Docker) -> None:
    docker("run", "-d", "--name", "rh-log", IMAGE, "sh", "-c", "seq 2000; sleep 0.3; echo end")
    assert docker("logs", "-f", "rh-log").stdout.splitlines()[-2:] == ["2000", "end"]
    assert docker("logs", "--tail", "1", "rh-log").stdout == "end\n"
    docker("rm", "rh-log")


def test_networks_come_and_go(docker: Docker) -> None:
    docker("network", "create", "--label", "k=v", "rh-net")
    docker("network", "create", "--subnet", "10.9.0.0/24", "rh-other")
    overlap = docker("network", "create", "--subnet", "10.9.0.0/28", "rh-bad", code=1)
    assert "overlaps" in overlap.stderr
    names = docker("network", "ls", "--format", "{{.Name}}").stdout.split()
    assert sorted(names) == ["bridge", "host", "none", "rh-net", "rh-other"]
    assert docker("run", "--rm", "--network", "rh-net", IMAGE, "echo", "x").stdout == "x\n"
    docker("run", "-d", "--name", "rh-in", "--network", "rh-net", IMAGE, "sleep", "60")
    assert "active endpoints" in docker("network", "rm", "rh-net", code=1).stderr
    docker("network", "disconnect", "-f", "rh-net", "rh-in")
    docker("network", "rm", "rh-net", "rh-other")
    docker("rm", "-f", "rh-in")


def test_images_are_pulled_and_removed(docker: Docker) -> None:
    assert "Downloaded newer image" in docker("pull", "tools/made:2").stdout
    assert docker("run", "--rm", "tools/made:2", "echo", "new").stdout == "new\n"
    docker("rmi", "tools/made:2")
    assert docker("run", "--rm", "tools/made:2", "echo", "pulled").stdout == "pulled\n"
    assert "pull access denied" in docker("pull", "no/such:1", code=1).stderr


def test_events_are_told(docker: Docker) -> None:
    docker("run", "--rm", "--name", "rh-told", IMAGE, "sh", "-c", "exit 7", code=7)
    told = docker(
        "events", "--since", "1h", "--until", "0s", "--filter", "container=rh-told",
        "--format", '{{.Action}} {{index .Actor.Attributes "exitCode"}}',
    ).stdout.splitlines()  # fmt: skip
    assert [line.strip() for line in told] == ["create", "start", "die 7", "destroy"]
