"""Simulated hosts on the wire, served by a process of their own."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from runnerhub.adapters.embedded.child import tied_command

STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Docker hosts, in one process.

    Attributes:
        pid: of that process.
        sockets: one a host.
    """

    pid: int
    sockets: tuple[Path, ...]

    def arguments(self, slots: int, more: str = "") -> list[str]:
        """Return what tells `runnerhub serve` of them.

        Args:
            slots: of each host.
            more: options of each, such as `,holders=4`.
        """
        hosts = enumerate(self.sockets, 1)
        named = [f"h{number}=unix://{path},slots={slots}{more}" for number, path in hosts]
        return [word for host in named for word in ("--docker-host", host)]

    def client(self, number: int = 0) -> httpx.Client:
        """Return a client of one of the hosts."""
        transport = httpx.HTTPTransport(uds=str(self.sockets[number]))
        return httpx.Client(transport=transport, base_url="http://engine/v1.41", timeout=60.0)

    def containers(self) -> int:
        """Count the containers on all hosts."""
        found = 0
        for number in range(len(self.sockets)):
            with self.client(number) as client:
                found += len(client.get("/containers/json?all=1").raise_for_status().json())
        return found


@contextmanager
def a_fleet(count: int, latency: str = "none") -> Iterator[Fleet]:
    """Serve so many hosts, whose engines answer at once (`none`) or as a real one (`measured`).

    Raises:
        RuntimeError: it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="rh-bench-sim-") as folder:
        command = [sys.executable, "-m", "runnerhub", "sim", "hosts", "--count", str(count)]
        process = subprocess.Popen(
            tied_command(
                [*command, "--dir", folder, "--latency", latency, "--image", "busybox"],
                death_signal=signal.SIGTERM,
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            urls = [process.stdout.readline().strip() for _ in range(count)]
            if not all(urls):
                raise RuntimeError(f"the simulated hosts did not start: {process.poll()}")
            yield Fleet(process.pid, tuple(Path(url.removeprefix("unix://")) for url in urls))
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
