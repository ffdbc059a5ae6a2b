"""Our Dockerfile builds on a base image given as an argument, is small, and runs as nobody."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import dockerd, require
from tests.parts.dockerd import Dockerd
from tests.parts.images import BUSYBOX
from tests.parts.processes import wait_until
from tests.parts.python_image import PYTHON_IMAGE, python_root

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
IMAGE = "runnerhub-test/runnerhub:1"
CONTEXT = ("Dockerfile", "pyproject.toml", "README.md", "LICENSE", "requirements", "runnerhub")

SERVERS = """
import asyncio, os, pathlib
from runnerhub.adapters.embedded import EmbeddedPostgres, EmbeddedValkey
async def main():
    for kind in (EmbeddedPostgres, EmbeddedValkey):
        server = kind(pathlib.Path("/data"))
        await server.start()
        assert await server.stop() == 0
    print("uid", os.getuid())
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    reason = dockerd.missing()
    if reason:
        require("Docker Engine", reason)
    wheels = tmp_path_factory.mktemp("wheels")
    locks = [f"--requirement={ROOT}/requirements/{name}.txt" for name in ("runtime", "build")]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-qq", "--require-hashes", *locks, "-d", wheels],
        check=True,
    )
    with Dockerd() as mine:
        mine.import_image(PYTHON_IMAGE, python_root())
        pip = "--no-index --find-links /src/wheels"
        mine.build_image(IMAGE, context(wheels), {"BASE": PYTHON_IMAGE, "PIP_ARGS": pip})
        yield mine


def context(wheels: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in CONTEXT:
            tar.add(ROOT / name, arcname=name, filter=without_caches)
        tar.add(wheels, arcname="wheels")
    return out.getvalue()


def without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry


def run(engine: Dockerd, **body: object) -> str:
    with engine.client() as client:
        made = client.post("/containers/create", json={"Image": IMAGE, **body}).raise_for_status()
        container = str(made.json()["Id"])
        client.post(f"/containers/{container}/start").raise_for_status()
    return container


def logs(engine: Dockerd, container: str) -> str:
    with engine.client() as client:
        return client.get(f"/containers/{container}/logs?stdout=1&stderr=1").text


def test_it_runs_the_embedded_servers_as_nobody(engine: Dockerd) -> None:
    container = run(
        engine,
        Entrypoint=["python3", "-c", SERVERS],
        Cmd=[],
        HostConfig={"CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]},
    )
    with engine.client() as client:
        code = client.post(f"/containers/{container}/wait").json()["StatusCode"]
    assert (code, "uid 65532" in logs(engine, container)) == (0, True), logs(engine, container)


def test_what_it_adds_to_its_base_is_small(engine: Dockerd) -> None:
    sizes = {name: engine.get(f"/images/{name}/json")["Size"] for name in (IMAGE, PYTHON_IMAGE)}
    added_mb = (sizes[IMAGE] - sizes[PYTHON_IMAGE]) / 1e6
    assert added_mb < 150, json.dumps(sizes)


def test_its_default_command_serves_and_becomes_healthy(engine: Dockerd) -> None:
    health = {"Test": engine.get(f"/images/{IMAGE}/json")["Config"]["Healthcheck"]["Test"]}
    second = 1_000_000_000
    container = run(
        engine,
        Healthcheck=health | {"Interval": second, "Timeout": 3 * second, "Retries": 60},
        HostConfig={"ReadonlyRootfs": True, "CapDrop": ["ALL"], "Tmpfs": {"/tmp": ""}},
    )
    give_up_at = time.monotonic() + 60
    while (state := engine.get(f"/containers/{container}/json")["State"])["Running"]:
        if state["Health"]["Status"] == "healthy":
            break
        assert time.monotonic() < give_up_at, logs(engine, container)
        time.sleep(0.2)
    assert state["Running"], logs(engine, container)
    with engine.client() as client:
        client.post(f"/containers/{container}/stop?t=15").raise_for_status()
    assert engine.get(f"/containers/{container}/json")["State"]["ExitCode"] == 0


def statuses(engine: Dockerd) -> str:
    return " ".join(each["Status"] for each in engine.get("/containers/json"))


def test_compose_brings_up_a_node_that_runs_jobs(engine: Dockerd) -> None:
    if shutil.which("docker-compose") is None:
        require("docker-compose", "it is not installed")
    socket = engine.folder / "docker.sock"
    env = {
        "DOCKER_HOST": f"unix://{socket}",
        "DOCKER_SOCKET": str(socket),
        "DOCKER_GID": str(socket.stat().st_gid),
        "RUNNERHUB_IMAGE": IMAGE,
        "COMPOSE_PROJECT_NAME": "rht",
    }

    def compose(*arguments: str) -> str:
        done = subprocess.run(
            ["docker-compose", "-f", ROOT / "deploy/compose.yml", *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | env,
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    assert "prom/prometheus" in compose("--profile", "monitoring", "config")
    engine.import_busybox()
    try:
        compose("up", "-d")
        wait_until(lambda: "(healthy)" in statuses(engine), 60.0, "the node is healthy")
        command = ["runnerhub", "submit", "--image", BUSYBOX, "--", "echo", "from a sandbox"]
        said = compose("exec", "-T", "runnerhub", *command)
        assert "from a sandbox" in said
        assert (
            len(compose("exec", "-T", "runnerhub", "runnerhub", "token", "--role", "viewer")) > 40
        )
    finally:
        compose("down", "--volumes", "--timeout", "15")
    assert engine.network_names() == []
