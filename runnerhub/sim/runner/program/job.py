"""One job: its steps, its heartbeat, its end."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any

from .acting import Act
from .hub import Gone, Hub, Taken, Unreachable
from .pretending import Plan, plan, pretend
from .report import Report

_BEAT_SECONDS = 20


class Stopped(BaseException):
    """Somebody wants the runner to end, with TERM or INT."""


class Job:
    """A job that was handed to this runner.

    Args:
        hub: where from.
        order: what was said of it.
        steps: `act` or `fake`.
    """

    def __init__(self, hub: Hub, order: dict[str, Any], steps: str) -> None:
        self._hub = hub
        self._order = order
        self._path = "jobs/{}/".format(order["job_id"])
        self._fake = steps == "fake" or not order["workflow"]["text"]
        self._cancelled = threading.Event()
        self._lost = self._silent = False

    def run(self) -> str:
        """Run it, report its end, and return its conclusion.

        Raises:
            Gone, Taken: it is not ours any more; what ran is killed.
        """
        chosen = plan(self._order["name"]) if self._fake else Plan(0.0)
        if chosen.stays or not chosen.heeds_cancel:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading.Thread(target=self._beat, daemon=True).start()
        try:
            conclusion = self._steps(chosen)
        except Stopped:
            conclusion = "cancelled"
        if self._lost:
            raise Taken("the job is not this runner's any more")
        if not chosen.reports:
            self._silent = True
            if not chosen.stays:
                os._exit(1)
            _stay()
        if self._cancelled.is_set() and chosen.heeds_cancel:
            conclusion = "cancelled"
        self._hub.ask("POST", self._path + "finish", {"conclusion": conclusion})
        if chosen.stays:
            _stay()
        return conclusion

    def _steps(self, chosen: Plan) -> str:
        report = Report(self._hub, self._order["job_id"])
        if self._fake:
            return pretend(chosen, report, self._cancelled)
        folder = Path(tempfile.mkdtemp(prefix="runner-"))
        try:
            return Act(self._order, folder, report, self._cancelled).run()
        except OSError as error:
            report.line(f"##[error]The runner cannot run this job: {error}")
            report.flush()
            return "failure"
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _beat(self) -> None:
        path = f"{self._path}heartbeat?wait={_BEAT_SECONDS}"
        while not self._cancelled.is_set() and not self._silent:
            try:
                said = self._hub.ask("POST", path, wait=_BEAT_SECONDS)
            except (Gone, Taken, Unreachable):
                self._lost = True
                self._cancelled.set()
            else:
                if said["cancel"]:
                    self._cancelled.set()


def _stay() -> None:
    threading.Event().wait()
