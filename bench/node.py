"""A `runnerhub serve` to measure: a process of its own with embedded servers, on loopback."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.memory import resident

START_SECONDS = 60.0
STOP_SECONDS = 20.0
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is ready.

    Attributes:
        pid: of `runnerhub serve` itself; its PostgreSQL and Valkey are processes below it.
    """

    pid: int
    host: str
    port: int
    token: str

    def cpu_seconds(self) -> float:
        """Return the processor time that the process has used, without its servers."""
        return cpu_seconds(self.pid)

    def resident(self) -> int:
        """Return its resident memory in bytes, without its servers."""
        return resident(self.pid)

    def sleeps(self) -> Counter[str]:
        """Return how often each of its threads has gone to sleep so far."""
        return Counter(
            {
                thread.name: int(line.split()[1])
                for thread in Path(f"/proc/{self.pid}/task").iterdir()
                for line in (thread / "status").read_text().splitlines()
                if line.startswith("voluntary_ctxt_switches")
            }
        )


def cpu_seconds(pid: int | str = "self") -> float:
    """Return the processor time of a process, in user and in system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


@contextmanager
def a_node(arguments: Sequence[str] = ()) -> Iterator[Node]:
    """Run a node with a data folder of its own; stop it, and remove the folder, at the end.

    Raises:
        RuntimeError: it did not become ready; its log is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="runnerhub-bench-") as folder:
        data, log = Path(folder, "data"), Path(folder, "log")
        port = _free_port()
        command = [sys.executable, "-m", "runnerhub", "serve", "--bind", f"127.0.0.1:{port}"]
        with log.open("ab") as sink:
            process = subprocess.Popen(
                [*command, "--data-dir", str(data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )
        try:
            _until_ready(process, port, log)
            token = (data / "admin.token").read_text().strip()
            yield Node(process.pid, "127.0.0.1", port, token)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/api/health/ready").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the node did not become ready:\n{log.read_text()[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
