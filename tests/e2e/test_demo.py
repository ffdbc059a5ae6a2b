"""The demo, as its user runs it: on simulated hosts, and on a real engine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.parts import dockerd, require, runner_image
from tests.parts.dockerd import Dockerd
from tests.parts.images import busybox_root

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

NOTHING = {"containers": 0, "networks": 0, "volumes": 0, "runners": 0}


def demo(docker_host: str) -> tuple[dict[str, Any], str]:
    """Run it; return its summary, and what it told people. It must have been content."""
    done = subprocess.run(
        [sys.executable, "-m", "runnerhub", "demo", "--json", "--jobs", "4"],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"DOCKER_HOST": docker_host},
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def is_whole(summary: dict[str, Any]) -> bool:
    """Tell whether every job, posted or queued at GitHub, went as it should."""
    github = summary["github"]
    return bool(
        summary["jobs"] == 4
        and summary["conclusions"] == {"success": 2, "failure": 1, "cancelled": 1}
        and {"queue", "create", "start", "run", "reap"} <= summary["phases"].keys()
        and summary["leaked"] == NOTHING
        and github["by"] == {"webhook": 6, "scale_set": 3}
        and github["conclusions"] == {"success": 7, "failure": 1, "cancelled": 1}
    )


def test_without_an_engine_all_of_it_is_simulated_and_it_says_so(tmp_path: Path) -> None:
    summary, told = demo(f"unix://{tmp_path}/no.sock")
    assert is_whole(summary), summary
    assert (summary["hosts"], summary["github"]["hosts"]) == ("simulated", "simulated")
    assert summary["github"]["steps"] == "pretended"
    assert "simulated hosts" in told


def test_on_an_engine_runners_reach_the_simulated_github_and_nothing_is_left() -> None:
    if reason := dockerd.missing():
        require("Docker Engine", reason)
    with Dockerd(cable=True) as engine:
        engine.import_image("busybox:latest", busybox_root(), 'CMD ["/bin/sh"]')
        summary, _ = demo(engine.url)
        assert engine.leftovers() == {}
    assert is_whole(summary), summary
    assert (summary["hosts"], summary["github"]["hosts"]) == ("real", "real")
    if reason := runner_image.missing():
        require("act", reason)
    assert summary["github"]["steps"] == "real"
    assert "compiling for run 10000000001 of acme/web" in summary["github"]["log"]
