"""The log and the steps of a job, told as they come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .hub import Hub

_MOST = 64 * 1024


class Report:
    """What GitHub is told of a job while it runs.

    Args:
        hub: who is told.
        job_id: of which job.
    """

    def __init__(self, hub: Hub, job_id: int) -> None:
        self._hub = hub
        self._path = f"jobs/{job_id}/"
        self._text = ""
        self._numbers: dict[object, int] = {}

    def line(self, text: str) -> None:
        """Add to the log; it is sent by the next `flush` at the latest."""
        seconds = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        self._text += f"{stamp}.{int(seconds % 1 * 1e6):06d}Z {text}\n"
        if len(self._text) > _MOST:
            self.flush()

    def flush(self) -> None:
        """Send what the log has got."""
        text, self._text = self._text, ""
        if text:
            self._hub.ask("POST", self._path + "log", text)

    def begin(self, key: object, name: str) -> None:
        """Tell that a step begins; harmless when it has."""
        if key in self._numbers:
            return
        self._numbers[key] = len(self._numbers) + 1
        self.line("##[group]" + name)
        self._step(key, name, "in_progress", None)

    def end(self, key: object, name: str, conclusion: str) -> None:
        """Tell that a step has ended."""
        self.begin(key, name)
        self.line("##[endgroup]")
        self._step(key, name, "completed", conclusion)

    def _step(self, key: object, name: str, status: str, conclusion: str | None) -> None:
        self.flush()
        body = {"number": self._numbers[key], "name": name, "status": status}
        if conclusion is not None:
            body["conclusion"] = conclusion
        self._hub.ask("POST", self._path + "steps", body)
