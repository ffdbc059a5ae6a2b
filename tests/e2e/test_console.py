"""The console on a node as an operator runs it."""

import json
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runnerhub.console.client import Client
from tests.e2e.node import NodeProcess
from tests.e2e.terminal import CTRL_C, CTRL_D, Terminal
from tests.parts.dockerd import Dockerd
from tests.parts.postgres import PostgresServer

PROMPT = "runnerhub>"

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@pytest.fixture
def node(
    tmp_path: Path, docker_engine: Dockerd, fresh_database: str, redis_url: str
) -> Iterator[NodeProcess]:
    made = NodeProcess(
        tmp_path / "data",
        [f"h1={docker_engine.url},slots=4"],
        env={"DATABASE_URL": fresh_database, "REDIS_URL": redis_url},
    )
    made.start()
    yield made
    made.close()


def console(
    folder: Path, command: str, *more: str, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "runnerhub", "console", "--data-dir", str(folder)]
    argv += ["--exec", command, *more] if command else [*more]
    return subprocess.run(
        argv, input=stdin, capture_output=True, text=True, timeout=60.0, check=False
    )


def as_json(folder: Path, command: str) -> Any:
    done = console(folder, command, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_looking_at_a_node_and_steering_it(node: NodeProcess) -> None:
    folder = node.data_dir
    assert stat.S_IMODE((folder / "console.sock").stat().st_mode) == 0o600
    job = node.submit(1, "sleep 60")
    node.wait(job, phase="running")

    rows = as_json(folder, "tree")["rows"]
    assert {"host:h1", f"job:{job}", "dispatcher", "console"} <= {row["name"] for row in rows}
    text = console(folder, "tree jobs").stdout
    assert f"job:{job} (job)  running" in text

    for command in ("tree", "top", f"actor job:{job} --seconds 0", f"trace {job} --seconds 0"):
        done = console(folder, command)
        assert (done.returncode, done.stderr) == (0, ""), command

    found = as_json(folder, f"actor job:{job} --seconds 0")
    assert found["facts"]["explanation"] == "running on h1"
    assert any("watch" in frame["function"] for each in found["stack"] for frame in each["frames"])
    assert "capacity" in as_json(folder, "actor host:h1 --seconds 0")["mailbox"]

    assert as_json(folder, "drain h1")["host"]["state"] == "draining"
    assert node.client.get("/api/hosts").json()["hosts"][0]["state"] == "draining"
    assert as_json(folder, "undrain h1")["host"]["state"] == "ready"

    seen: dict[str, Any] = {}

    def trace() -> None:
        seen.update(as_json(folder, f"trace {job} --seconds 30"))

    tracer = threading.Thread(target=trace)
    with Client(folder) as other:
        tracer.start()
        node.until(lambda: somebody_traces(other), 20.0, "the job is traced")
    assert node.client.post(f"/api/jobs/{job}/cancel").status_code in {200, 202}
    tracer.join(40.0)
    assert any("CancelJob(verdict=Verdict(" in note["text"] for note in seen["notes"])
    assert seen["event_count"] == len(seen["events"]) > 0
    assert seen["ended"] == "the job is finished"


def somebody_traces(client: Client) -> bool:
    """Tell whether some guest traces a job: guests are the console's own business, so it shows."""
    list(client.call("actor", {"actor": "console", "seconds": 0}))
    frames = [frame for task in client.result["stack"] for frame in task["frames"]]
    return any(frame["function"] == "_Tracing.run" for frame in frames)


def test_a_restart_that_takes_the_console_along(node: NodeProcess) -> None:
    job = node.submit(1, "sleep 5; echo done")
    node.wait(job, phase="running")
    done = console(node.data_dir, "restart leases")
    assert done.returncode == 0, done.stderr
    assert "restarted leases, hosts, jobs" in done.stdout
    restarts = {row["name"]: row["restarts"] for row in as_json(node.data_dir, "tree")["rows"]}
    assert restarts["leases"] == restarts["console"] == 1
    assert node.wait(job)["conclusion"] == "success"
    assert node.status(job)["attempt"] == 1


def test_bad_commands_and_no_process(node: NodeProcess, tmp_path: Path) -> None:
    for command, code in (
        ("nope", 2),
        ("top --by age", 2),
        ("actor nobody", 1),
        ("drain h9", 1),
        ("restart root", 1),
        ("trace job_9", 1),
    ):
        done = console(node.data_dir, command)
        assert (done.returncode, done.stdout) == (code, "")
        assert len(done.stderr.splitlines()) == 1
    done = console(tmp_path / "elsewhere", "tree")
    assert done.returncode == 1
    assert "is `runnerhub serve` running there?" in done.stderr
    assert console(node.data_dir, "", "--json").returncode == 2
    assert node.stop() == 0
    assert console(node.data_dir, "tree").returncode == 1
    assert not (node.data_dir / "console.sock").exists()


def test_a_line_after_the_other_from_a_pipe(node: NodeProcess) -> None:
    done = console(node.data_dir, "", stdin="tree hosts\nhelp\nexit\nnever reached\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "host:h1 (host)  running" in done.stdout
    done = console(node.data_dir, "", stdin="nope\ntree jobs\n")
    assert done.returncode == 1
    assert "1 actors" in done.stdout


def test_a_node_outlives_a_crash_with_its_socket_in_place(node: NodeProcess) -> None:
    node.kill9()
    assert (node.data_dir / "console.sock").exists()
    assert "no process answers" in console(node.data_dir, "tree").stderr
    node.start()
    assert as_json(node.data_dir, "tree")["actors"] > 10


def test_looking_needs_no_ledger(node: NodeProcess, postgres_server: PostgresServer) -> None:
    postgres_server.pause()
    try:
        assert as_json(node.data_dir, "tree")["actors"] > 10
        assert as_json(node.data_dir, "actor dispatcher --seconds 0")["phase"] == "running"
        assert as_json(node.data_dir, "top --interval 0.2")["actors"] > 10
    finally:
        postgres_server.resume()


def test_a_prompt_with_history_and_completion(node: NodeProcess) -> None:
    command = [sys.executable, "-m", "runnerhub", "console", "--data-dir", str(node.data_dir)]
    with Terminal(command, {}) as terminal:
        terminal.expect("`help` lists the commands")
        terminal.expect(PROMPT)
        terminal.press("tree disp\t")
        terminal.expect("atcher")
        terminal.press("\r")
        terminal.expect("dispatcher  running")
        terminal.expect(PROMPT)
        terminal.press("top --interval 0.2\r")
        terminal.expect("ACTOR")
        terminal.expect("ACTOR")
        terminal.press(CTRL_C)
        terminal.expect(PROMPT)
        terminal.press("nope\r")
        terminal.expect("there is no command 'nope'")
        terminal.expect(PROMPT)
        terminal.press("restart api\r")
        terminal.expect("restarted api, console")
        terminal.expect(PROMPT)
        terminal.press(CTRL_D)
        assert terminal.process.wait(10.0) == 0
    with Terminal(command, {}) as terminal:
        terminal.expect(PROMPT)
        terminal.press("\x1b[A\r")
        terminal.expect("restarted api, console")
