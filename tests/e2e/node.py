"""A node as an operator runs it: a process of its own, spoken to over HTTP."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.parts.images import BUSYBOX
from tests.parts.network import Namespace

START_SECONDS = 30.0
POLL_SECONDS = 0.05


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NodeProcess:
    """`runnerhub serve` in a process.

    Args:
        network: Run inside this namespace, and answer at its address on the cable.
    """

    def __init__(
        self,
        data_dir: Path,
        hosts: Sequence[str],
        *,
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        terminal: bool = False,
        network: Namespace | None = None,
    ) -> None:
        self.data_dir = data_dir
        self._hosts = hosts
        self._arguments = arguments
        self._env = dict(env or {})
        self._terminal = terminal
        self._prefix = network.prefix if network else []
        self._address = (network.address if network else None) or "127.0.0.1"
        self._process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client()
        self._terminals: list[int] = []
        self.prepared = 0
        self.log = data_dir.parent / f"{data_dir.name}.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        port = free_port()
        self.url = f"http://{self._address}:{port}"
        command = [*self._prefix, sys.executable, "-m", "runnerhub", "serve"]
        command += ["--bind", f"{self._address}:{port}"]
        command += ["--data-dir", str(self.data_dir), *self._arguments]
        for host in self._hosts:
            command += ["--docker-host", host]
        there, here = os.openpty()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=here if self._terminal else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._env},
            )
        os.close(here)
        self._terminals.append(there)
        self.until(self._answers, START_SECONDS, "the API answers")
        token = (self.data_dir / "admin.token").read_text().strip()
        self.client.close()
        self.client = httpx.Client(
            base_url=self.url, headers={"authorization": f"Bearer {token}"}, timeout=15.0
        )

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-4000:]
        try:
            return httpx.get(f"{self.url}/api/health/ready", timeout=1.0).status_code == 200
        except httpx.HTTPError:
            return False

    def kill9(self) -> None:
        assert self._process is not None
        self.client.close()
        self._process.kill()
        self._process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM, within: float = 10.0) -> int:
        """Ask it to stop; return its exit code."""
        assert self._process is not None
        self.client.close()
        self._process.send_signal(number)
        return self._process.wait(within)

    def close(self) -> None:
        self.client.close()
        while self._terminals:
            os.close(self._terminals.pop())
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10.0)
            except subprocess.TimeoutExpired:
                self.kill9()

    def until(self, condition: Any, seconds: float, what: str) -> Any:
        """Look again and again until something holds; fail with the node's log when it does not."""
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            if found := condition():
                return found
            time.sleep(POLL_SECONDS)
        tail = self.log.read_text()[-4000:]
        raise AssertionError(f"not within {seconds} s: {what}\n{tail}")

    # ------------------------------------------------------------------ the API

    def submit(self, number: int | str, script: str, **more: Any) -> str:
        body = {
            "external_id": f"e-{number}",
            "repository": more.pop("repository", "acme/web"),
            "execution": {
                "kind": "command",
                "image": more.pop("image", BUSYBOX),
                "command": more.pop("command", ["sh", "-c", script]),
                **more.pop("execution", {}),
            },
            **more,
        }
        answer = self.client.post("/api/jobs/delegate", json=body)
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["id"])

    def status(self, job_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/jobs/{job_id}/status")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, job_id: str, *, phase: str = "finished", within: float = 60.0) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            job = self.status(job_id)
            return job if job["phase"] == phase else None

        found = self.until(there, within, f"{job_id} is {phase}: {self.status(job_id)}")
        return dict(found)

    def logs(self, job_id: str) -> str:
        answer = self.client.get(f"/api/jobs/{job_id}/logs")
        assert answer.status_code == 200, answer.text
        return answer.text
