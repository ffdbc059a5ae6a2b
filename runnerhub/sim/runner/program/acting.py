"""Steps that really run: `act` works through the workflow file, here, without Docker.

jobs named in `needs` run before, untold: `act` cannot leave them out
a job whose `runs-on` has other labels than the job was queued with is refused
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import urllib.parse
from typing import TYPE_CHECKING, Any

from .tree import kill_below

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .report import Report

_LOOK_SECONDS = 0.2
_USUAL_LABELS = ("self-hosted", "linux", "Linux", "x64", "X64", "ubuntu-latest")


class Act:
    """Runs the workflow of one job.

    Args:
        order: what GitHub said of the job.
        folder: an empty folder for all that it needs.
        report: who is told.
        cancelled: set when it is to end.
    """

    def __init__(
        self, order: dict[str, Any], folder: Path, report: Report, cancelled: threading.Event
    ) -> None:
        self._order = order
        self._home = folder / "home"
        self._checkout = folder / "checkout"
        self._report = report
        self._cancelled = cancelled
        self._job_id = ""
        self._result = ""

    def run(self) -> str:
        """Run it; return its conclusion."""
        report = self._report
        self._lay_out()
        self._job_id = self._find_job()
        if not self._job_id:
            report.line(f"##[error]The workflow has no job {self._order['name']!r}.")
            report.flush()
            return "failure"
        command = self._command("--json", "--no-cache-server", "-j", self._job_id)
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=self._checkout, env=self._environment(),
        ) as process:  # fmt: skip
            try:
                for line in self._lines(process):
                    self._take(line)
            finally:
                kill_below(os.getpid())
        if not self._result and not self._cancelled.is_set():
            report.line(f"##[error]act ended with {process.returncode} and no result.")
        report.flush()
        if self._cancelled.is_set():
            return "cancelled"
        return "success" if self._result == "success" else "failure"

    def _lay_out(self) -> None:
        workflow = self._order["workflow"]
        path = self._checkout / workflow["path"]
        path.parent.mkdir(parents=True)
        self._home.mkdir()
        path.write_text(workflow["text"], encoding="utf-8")
        author = ["-c", "user.name=runner", "-c", "user.email=runner@localhost"]
        branch = self._order["ref"].replace("refs/heads/", "")
        self._git("init", "-q", "-b", branch)
        self._git("remote", "add", "origin", self._order["clone_url"])
        self._git("add", "-A")
        self._git(*author, "commit", "-q", "-m", "the workflow")

    def _git(self, *words: str) -> None:
        # An image may have no git; act then warns, and runs all the same.
        try:
            subprocess.run(
                ["git", *words], cwd=self._checkout, env=self._environment(), check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except FileNotFoundError:
            return

    def _command(self, *more: str) -> list[str]:
        order = self._order
        made = ["act", order["event"], "-W", order["workflow"]["path"], *more]
        made += ["--github-instance", urllib.parse.urlsplit(order["clone_url"]).netloc]
        for name in ("run_id", "run_attempt"):
            made += ["--env", f"GITHUB_{name.upper()}={order[name]}"]
        for label in dict.fromkeys([*order["labels"], *_USUAL_LABELS]):
            made += ["-P", label + "=-self-hosted"]
        return made

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self._home), "XDG_CACHE_HOME": str(self._home / ".cache")}

    def _find_job(self) -> str:
        """Return the id of our job, "" when the workflow has none of its name."""
        asked = subprocess.run(
            ["act", "-l", "-W", self._order["workflow"]["path"]],
            cwd=self._checkout, env=self._environment(), check=False, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        wanted = self._order["name"]
        known = dict(_jobs(asked.stdout))
        if not known:
            for line in asked.stderr.splitlines():
                self._report.line(line)
        for name in (wanted, wanted.partition(" (")[0]):
            for job_id, title in known.items():
                if name in (job_id, title):
                    return job_id
        return ""

    def _lines(self, process: subprocess.Popen[bytes]) -> Iterator[str]:
        """Yield what a process says, to its end; a cancel kills it."""
        said: queue.Queue[bytes] = queue.Queue(1000)

        def pump() -> None:
            for line in process.stdout or ():
                said.put(line)
            said.put(b"")

        threading.Thread(target=pump, daemon=True).start()
        while not self._cancelled.is_set():
            try:
                line = said.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                self._report.flush()
                continue
            if not line:
                return
            yield line.decode("utf-8", "replace").rstrip("\n")

    def _take(self, line: str) -> None:
        """Tell what a line of act's says."""
        try:
            record = json.loads(line)
        except ValueError:
            self._report.line(line)
            return
        if record.get("jobID") != self._job_id:
            return
        self._result = record.get("jobResult", self._result)
        level, text = record.get("level"), str(record.get("msg", "")).rstrip("\n")
        if level == "warning":
            return
        step = record.get("step")
        if step is not None:
            stage = record.get("stage", "")
            key = (stage, *record.get("stepID", record.get("stepid", ())))
            name = _title(step, stage)
            self._report.begin(key, name)
            if "stepResult" in record:
                self._report.end(key, name, record["stepResult"])
        if record.get("raw_output"):
            self._report.line(text.rstrip("\r"))
        elif level in ("error", "fatal"):
            self._report.line("##[error]" + text)


def _jobs(table: str) -> Iterator[tuple[str, str]]:
    """Yield the id and the name of each job in act's list."""
    columns: list[int] = []
    for line in table.splitlines():
        if columns:
            yield line[columns[0] : columns[1]].strip(), line[columns[1] : columns[2]].strip()
        elif line.startswith("Stage "):
            columns = [line.find(title) for title in ("Job ID", "Job name", "Workflow name")]


def _title(step: str, stage: str) -> str:
    lines = step.strip().splitlines()
    first = lines[0] if lines else "step"
    return f"{stage} {first}" if stage in ("Pre", "Post") else first
