"""`runnerhub sim github`."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

COMMAND = (sys.executable, "-m", "runnerhub", "sim", "github")


def test_it_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text("seed = 5\n[rest]\nslow = 1.0\nslow_seconds = 0.01\n")
    arguments = ("--bind", "127.0.0.1:0", "--faults", str(faults))
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            plan = httpx.get(f"{url}/_sim/faults").json()["plan"]
            assert (plan["seed"], plan["rest"]["slow"]) == (5, 1.0)
            assert httpx.get(f"{url}/meta").status_code == 200
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("bind", "faults", "words"),
    [
        ("nowhere", "", "is no HOST:PORT"),
        ("127.0.0.1:0", "[rest]\nerror = 2", "rest.error: Input should be less than"),
        ("127.0.0.1:0", "no toml", "--faults"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, bind: str, faults: str, words: str) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(faults)
    done = subprocess.run(
        [*COMMAND, "--bind", bind, "--faults", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
