"""`runnerhub sim hosts` as a process of a test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 20.0


@contextmanager
def sim_hosts(folder: Path, *arguments: str) -> Iterator[list[str]]:
    """Serve hosts for the block; yields their URLs, and checks that nothing is left behind."""
    command = [sys.executable, "-m", "runnerhub", "sim", "hosts", "--dir", str(folder), "--json"]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said, process.communicate()[1]
            yield json.loads(said)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=_SECONDS)
            assert (process.returncode, errors) == (0, "")
        finally:
            process.kill()
    assert list(folder.glob("*.sock")) == []


def run(command: list[str], **more: object) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, in an environment that names no other host."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
    stdin = more.get("stdin", "")
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env=environment,
        input=str(stdin),
    )
