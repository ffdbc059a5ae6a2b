"""A `runnerhub serve` that can be killed and started again, looked into from outside."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bench.memory import resident
from bench.node import START_SECONDS, STOP_SECONDS, _free_port, cpu_seconds
from runnerhub.adapters.embedded.child import tied_command

T = TypeVar("T")


class WholeNode:
    """A node with a data folder; use `a_whole_node` to have it stopped and removed at the end.

    Args:
        folder: for its data and its log.
        arguments: of `runnerhub serve`.
        config: its configuration file, as text.
        watched: whether its loop is watched, see `bench.whole.watched`.

    Attributes:
        started_at: when the present process was started, in Unix seconds.
    """

    def __init__(
        self, folder: Path, arguments: Sequence[str], config: str = "", *, watched: bool = False
    ) -> None:
        self.log, self.stalls = folder / "log", folder / "stalls.json"
        self._data = folder / "data"
        self._port = _free_port()
        self._module = "bench.whole.watched" if watched else "runnerhub"
        self._arguments = list(arguments)
        if config:
            (folder / "runnerhub.toml").write_text(config)
            self._arguments += ["--config", str(folder / "runnerhub.toml")]
        self._process: subprocess.Popen[bytes] | None = None
        self.host, self.port, self.token = "127.0.0.1", self._port, ""
        self.client = httpx.Client()
        self.started_at = 0.0

    def start(self) -> Self:
        """Start it, and wait until it is ready. Raises RuntimeError with its log otherwise."""
        bind = f"127.0.0.1:{self._port}"
        command = [sys.executable, "-m", self._module, "serve", "--bind", bind]
        self.started_at = time.time()
        with self.log.open("ab") as sink:
            command += ["--data-dir", str(self._data), *self._arguments]
            self._process = subprocess.Popen(
                tied_command(command, death_signal=signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**os.environ, "BENCH_STALLS": str(self.stalls)},
            )
        self.until(self._is_ready, START_SECONDS, "ready", every=0.02)
        self.token = (self._data / "admin.token").read_text().strip()
        self.client.close()
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}",
            headers={"authorization": f"Bearer {self.token}"},
            timeout=60.0,
        )
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def kill9(self) -> None:
        """Kill it without a word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop it in order, or kill it when that takes too long."""
        self.client.close()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill9()

    def until(
        self, condition: Callable[[], T | None], seconds: float, what: str, every: float = 0.1
    ) -> T:
        """Look again and again. Raises RuntimeError with the node's log when it takes too long."""
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            if self._process is not None and self._process.poll() is not None:
                break
            if found := condition():
                return found
            time.sleep(every)
        raise RuntimeError(f"not within {seconds} s: {what}\n{self.log.read_text()[-4000:]}")

    def _is_ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self._port}/api/health/ready"
            return httpx.get(url, timeout=5.0).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    # ------------------------------------------------------------------ from outside

    def cpu_seconds(self) -> float:
        """Return the processor time of the process, without its servers."""
        return cpu_seconds(self.pid)

    def servers_cpu_seconds(self) -> float:
        """Return the processor time of its PostgreSQL and Valkey, as far as they still live."""
        return sum(cpu_seconds(pid) for pid in below(self.pid))

    def resident(self) -> int:
        """Return its resident memory in bytes, without its servers."""
        return resident(self.pid)

    def files(self) -> int:
        """Count its open file descriptors."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def metrics(self) -> dict[tuple[str, str], float]:
        """Return its metrics by name and labels, those as `a=b,c=d`."""
        text = self.client.get("/api/metrics").raise_for_status().text
        return {
            (
                sample.name,
                ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items())),
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def finished(self) -> int:
        """Count the jobs that this process has finished."""
        # Asked again and again while something is measured: to parse all of it takes longer.
        text = self.client.get("/api/metrics").raise_for_status().text
        lines = re.findall(r"^runnerhub_jobs_finished_total\{.*\} (\S+)$", text, re.MULTILINE)
        return int(sum(map(float, lines)))

    def until_finished(self, count: int, seconds: float, every: float = 0.5) -> None:
        """Wait until this process has counted so many jobs as finished."""
        self.until(lambda: self.finished() >= count, seconds, f"{count} finished", every)

    def all_finished(self, prefix: str, seconds: float) -> list[dict[str, Any]]:
        """Wait until each job whose external id begins so is finished; return them.

        The counter of finished jobs may run ahead of the ledger: it has counted jobs twice.
        """

        def found() -> list[dict[str, Any]] | None:
            jobs = [job for job in self.jobs() if job["external_id"].startswith(prefix)]
            return jobs if all(job["phase"] == "finished" for job in jobs) else None

        return self.until(found, seconds, f"all {prefix} are finished", every=1.0)

    def ready_hosts(self) -> int:
        """Count the hosts that take jobs."""
        found = self.metrics().items()
        return int(sum(value for (name, _), value in found if name == "runnerhub_host_up"))

    def actors(self, kind: str | None = None) -> int:
        """Count its living actors, of one kind or all."""
        live = [
            (labels, value)
            for (name, labels), value in self.metrics().items()
            if name == "runnerhub_actor_live"
        ]
        return int(sum(value for labels, value in live if kind in (None, labels[len("kind=") :])))

    def logged(self, action: str) -> list[float]:
        """Return when the present process logged an action, in Unix seconds."""
        found = []
        for line in self.log.read_text().splitlines():
            if f'"action": "{action}"' in line:
                at = datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
                found.append(at)
        return [at for at in found if at >= self.started_at]

    def jobs(self, **query: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as the API takes it
        """Return all jobs."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = self.client.get("/api/jobs", params={"limit": 500, **query, **cursor})
            page = answer.raise_for_status().json()
            found += page["jobs"]
            if not page["next_cursor"]:
                return found
            cursor = {"cursor": page["next_cursor"]}


@contextmanager
def a_whole_node(
    arguments: Sequence[str], config: str = "", *, watched: bool = False
) -> Iterator[WholeNode]:
    """Run a node, and wait for its hosts; stop it, and remove its data, at the end."""
    with tempfile.TemporaryDirectory(prefix="rh-bench-") as folder:
        node = WholeNode(Path(folder), arguments, config, watched=watched)
        hosts = list(arguments).count("--docker-host")
        try:
            node.start()
            node.until(lambda: node.ready_hosts() >= hosts, START_SECONDS, "its hosts are ready")
            yield node
        finally:
            node.stop()


def below(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    found, look = [], [pid]
    while look:
        children = parents.get(look.pop(), [])
        found += children
        look += children
    return found
