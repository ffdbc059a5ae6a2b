"""A real engine of one's own, and what it does without RunnerHub."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.parts.dockerd import Dockerd, missing

LIMITS: dict[str, Any] = {
    "Memory": 256 << 20,
    "MemorySwap": 256 << 20,
    "NanoCpus": 1_000_000_000,
    "PidsLimit": 256,
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges"],
}
RESOURCES = {"memory_mb": 256, "cpus": 1.0, "pids": 256}


def no_engine() -> str | None:
    """Say what keeps a real engine from running here, None when nothing does."""
    return missing()


@contextmanager
def a_real_engine() -> Iterator[Dockerd]:
    """Start one; end it, with all that is on it."""
    engine = Dockerd()
    try:
        yield engine.start()
    finally:
        engine.close()


@dataclass(slots=True)
class Bare:
    """Containers without RunnerHub, each call by one HTTP request on a kept connection.

    Attributes:
        number: of its own part of the addresses, and of its names; 0 to 255.
    """

    client: httpx.Client
    image: str
    number: int
    _count: int = field(default=0, init=False)

    def network(self) -> str:
        """Make a private network, as RunnerHub does."""
        self._count += 1
        name = f"bare-{self.number}-{self._count}"
        body = {
            "Name": name,
            "Internal": True,
            "IPAM": {"Config": [{"Subnet": f"10.99.{self.number}.{16 * (self._count % 16)}/28"}]},
            "Options": {"com.docker.network.bridge.inhibit_ipv4": "true"},
        }
        self.call("POST", "/networks/create", json=body)
        return name

    def start(self, network: str, command: list[str]) -> str:
        """Create and start a container; return its name."""
        self._count += 1
        name = f"bare-{self.number}-{self._count}"
        body = {
            "Image": self.image,
            "Cmd": command,
            "HostConfig": {**LIMITS, "NetworkMode": network},
        }
        self.call("POST", f"/containers/create?name={name}", json=body)
        self.call("POST", f"/containers/{name}/start")
        return name

    def wait(self, name: str) -> None:
        """Wait until a container has ended."""
        self.call("POST", f"/containers/{name}/wait")

    def remove(self, name: str) -> None:
        """Kill and remove a container."""
        self.call("DELETE", f"/containers/{name}?force=1&v=1")

    def remove_network(self, name: str) -> None:
        """Remove a network."""
        self.call("DELETE", f"/networks/{name}")

    def call(self, method: str, path: str, **request: Any) -> None:  # noqa: ANN401 - httpx's
        """Send a request. Raises RuntimeError when it is refused."""
        answer = self.client.request(method, path, **request)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")

    def life(self, command: list[str]) -> None:
        """Live the whole life of a container in a network of its own."""
        network = self.network()
        name = self.start(network, command)
        self.wait(name)
        self.remove(name)
        self.remove_network(network)


def docker_run(url: str, image: str, network: str, script: str) -> tuple[float, float]:
    """Run `docker run --rm`; return the seconds until its first output, and until its end."""
    limits = ["--memory=256m", "--memory-swap=256m", "--cpus=1", "--pids-limit=256"]
    walls = ["--cap-drop=ALL", "--security-opt=no-new-privileges", f"--network={network}"]
    command = ["docker", "-H", url, "run", "--rm", *limits, *walls, image, "sh", "-c", script]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        first = time.perf_counter() - began
        process.stdout.read()
        process.wait()
    if process.returncode:
        raise RuntimeError(f"docker run exited {process.returncode}")
    return first, time.perf_counter() - began


def at_once(work: Callable[[int], None], count: int) -> float:
    """Do something in so many threads at once, with its number; return the seconds it took."""
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except Exception as error:  # noqa: BLE001 - it is raised below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - began
