"""The command line, over a fake API."""

from collections.abc import Iterator
from typing import Any

import httpx
from typer.testing import CliRunner

from runnerhub.cli import app

JOB: dict[str, Any] = {
    "id": "job_1",
    "status": "completed",
    "conclusion": "success",
    "phase": "finished",
    "explanation": "the command exited 0",
    "exit_code": 0,
    "attempt": 1,
    "host": "h1",
    "repository": "acme/web",
    "timestamps": {"accepted": "2026-01-01T00:00:00Z"},
}
RUNNING = {**JOB, "status": "in_progress", "conclusion": None, "phase": "running"}
DELEGATE = "POST /api/jobs/delegate"
STATUS = "GET /api/jobs/job_1/status"
LOGS = "GET /api/jobs/job_1/logs"
CANCEL = "POST /api/jobs/job_1/cancel"


class Stream(httpx.SyncByteStream):
    """A log that comes in parts, and may break."""

    def __init__(self, *parts: bytes | BaseException) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, BaseException):
                raise part
            yield part


def stream(*parts: bytes | BaseException) -> httpx.Response:
    return httpx.Response(200, stream=Stream(*parts))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))
