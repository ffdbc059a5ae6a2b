"""What stands in `deploy/` is valid, and fits the RunnerHub that is beside it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.node import NodeProcess, free_port
from tests.parts import require
from tests.parts.dockerd import Dockerd
from tests.parts.processes import end, wait_until

pytestmark = [pytest.mark.real]

DEPLOY = Path(__file__).parents[2] / "deploy"


def run(*command: str | Path, cwd: Path = DEPLOY, stdin: str = "", **env: str) -> str:
    """Run a tool that must be there and must be content; return what it printed."""
    if shutil.which(str(command[0])) is None:
        require(str(command[0]), "it is not installed")
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        input=stdin,
        cwd=cwd,
        timeout=60,
        env=os.environ | env,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def node(docker_engine: Dockerd, tmp_path: Path) -> Iterator[NodeProcess]:
    secret = {"RUNNERHUB_GITHUB_WEBHOOK_SECRETS": "s"}  # so that it has all that alerts look at
    made = NodeProcess(tmp_path / "data", [f"h1={docker_engine.url},slots=2"], env=secret)
    made.start()
    yield made
    made.close()


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    run("promtool", "check", "rules", "alerts.yml", cwd=DEPLOY / "prometheus")
    run("promtool", "test", "rules", "alerts_test.yml", cwd=DEPLOY / "prometheus")


def test_prometheus_scrapes_a_node_and_knows_every_metric_that_an_alert_names(
    node: NodeProcess, tmp_path: Path
) -> None:
    assert node.wait(node.submit(1, "true", execution={"network": "none"}))["phase"] == "finished"
    text = node.client.get("/api/metrics").text
    run("promtool", "check", "metrics", stdin=text)
    rules = (DEPLOY / "prometheus/alerts.yml").read_text()
    named = set(re.findall(r"\b(?:runnerhub|process)_\w+", rules))
    assert named <= set(re.findall(r"^\w+", text, re.MULTILINE))

    folder = tmp_path / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", folder)
    config = (folder / "prometheus.yml").read_text()
    assert "runnerhub:8080" in config
    where = node.url.removeprefix("http://")
    (folder / "prometheus.yml").write_text(
        config.replace("runnerhub:8080", where).replace("15s", "1s")
    )
    token = run(
        sys.executable, "-m", "runnerhub", "token", "--role", "viewer", "--data-dir", node.data_dir
    )
    (folder / "token").write_text(token)
    run("promtool", "check", "config", folder / "prometheus.yml")
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address={address}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def scraped() -> bool:
        try:
            asked = httpx.get(
                f"http://{address}/api/v1/query",
                params={"query": 'runnerhub_jobs_finished_total{reason="completed"}'},
            )
        except httpx.HTTPError:
            return False
        return [each["value"][1] for each in asked.json()["data"]["result"]] == ["1"]

    try:
        wait_until(scraped, 30.0, "Prometheus has scraped the node")
        groups = httpx.get(f"http://{address}/api/v1/rules").json()["data"]["groups"]
        assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    finally:
        end(process, signal.SIGTERM, 10.0)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "runnerhub"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (DEPLOY / "systemd/runnerhub.service").read_text()
    assert "/opt/runnerhub/bin/runnerhub serve" in text
    unit = tmp_path / "runnerhub.service"
    unit.write_text(text.replace("/opt/runnerhub/bin/runnerhub", str(program)))
    said = run("systemd-analyze", "verify", "--man=no", unit)
    assert "runnerhub.service" not in said, said
    run("systemd-analyze", "security", "--offline=true", "--threshold=50", unit)
