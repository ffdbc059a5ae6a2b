"""Ctrl-C in `submit`: it says what becomes of the job, or cancels it."""

import json
from typing import Any

import httpx
import pytest

from tests.unit.cli import CANCEL, DELEGATE, JOB, LOGS, RUNNING, STATUS, run, stream
from tests.unit.cli.conftest import FakeTime, Serve

CANCELLED = {**JOB, "conclusion": "cancelled", "exit_code": None, "explanation": "on request"}
CTRL_C = KeyboardInterrupt()


def submit(*options: str) -> Any:
    return run("submit", "--image", "x", *options)


def test_the_job_goes_on_and_it_says_how_to_end_or_follow_it(api: Serve) -> None:
    seen = api({DELEGATE: RUNNING, STATUS: RUNNING, LOGS: stream(b"one\n", CTRL_C)})
    done = submit()
    assert done.exit_code == 130
    assert done.stdout == "one\n"
    then = "`runnerhub cancel job_1` or `runnerhub logs --follow job_1`"
    assert done.stderr.splitlines()[1:] == [f"runnerhub: interrupted; job_1 goes on: {then}"]
    assert not any(request.url.path.endswith("/cancel") for request in seen)


def test_cancel_on_interrupt_waits_for_the_end(api: Serve) -> None:
    api(
        {
            DELEGATE: RUNNING,
            STATUS: [RUNNING, RUNNING, RUNNING, RUNNING, CANCELLED],
            LOGS: [stream(b"one\n", CTRL_C), stream(b"one\n", b"two\n")],
            CANCEL: httpx.Response(202, json=RUNNING),
        }
    )
    done = submit("--cancel-on-interrupt", "--json")
    assert done.exit_code == 130
    log, last = done.stdout.rstrip("\n").rsplit("\n", 1)
    assert log == "one\ntwo"
    assert json.loads(last) == CANCELLED
    assert done.stderr.splitlines()[1:] == [
        "runnerhub: interrupted; cancelling job_1",
        "cancelled: on request",
    ]


def test_a_cancel_waits_for_a_node_that_is_away(api: Serve, clock: FakeTime) -> None:
    api(
        {
            DELEGATE: RUNNING,
            STATUS: [RUNNING, RUNNING, CANCELLED],
            LOGS: [stream(CTRL_C), stream()],
            CANCEL: [httpx.ConnectError("refused"), httpx.Response(202, json=RUNNING)],
        }
    )
    done = submit("--cancel-on-interrupt")
    assert done.exit_code == 130
    assert "contact is back" in done.stderr
    assert clock.pauses == [0.2]


def test_a_job_that_ended_just_before_is_told_as_it_ended(api: Serve) -> None:
    completed = httpx.Response(409, json={"title": "Conflict", "detail": "completed"})
    api(
        {
            DELEGATE: RUNNING,
            STATUS: [RUNNING, RUNNING, JOB],
            LOGS: [stream(CTRL_C), stream()],
            CANCEL: completed,
        }
    )
    done = submit("--cancel-on-interrupt")
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1] == "success: the command exited 0"


def test_a_cancel_that_is_refused_is_told(api: Serve) -> None:
    refused = httpx.Response(403, json={"title": "Forbidden", "detail": "it may not"})
    api({DELEGATE: RUNNING, STATUS: RUNNING, LOGS: stream(CTRL_C), CANCEL: refused})
    done = submit("--cancel-on-interrupt")
    assert done.exit_code == 130
    assert "Forbidden: it may not; job_1 goes on" in done.stderr


@pytest.mark.parametrize(
    ("cancel", "logs", "words"),
    [
        (CTRL_C, [stream(CTRL_C)], "job_1 goes on"),
        (RUNNING, [stream(CTRL_C), stream(CTRL_C)], "job_1 is being cancelled"),
    ],
)
def test_a_second_interrupt_ends_the_wait(api: Serve, cancel: Any, logs: Any, words: str) -> None:
    api({DELEGATE: RUNNING, STATUS: RUNNING, LOGS: logs, CANCEL: cancel})
    done = submit("--cancel-on-interrupt")
    assert done.exit_code == 130
    assert f"interrupted again; {words}" in done.stderr


def test_before_the_job_is_known_it_says_how_to_find_out(api: Serve) -> None:
    api({DELEGATE: CTRL_C})
    done = submit("--external-id", "build-7")
    assert done.exit_code == 130
    assert "the same command with --external-id build-7 tells" in done.stderr


def test_a_reader_that_went_away_is_told_that_the_job_goes_on(
    api: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("runnerhub.cli.output.RawLog.write", closed)
    api({DELEGATE: RUNNING, STATUS: RUNNING, LOGS: stream(b"one\n")})
    done = submit()
    assert done.exit_code == 1
    assert "nobody reads the log any more; job_1 goes on" in done.stderr
    assert "Traceback" not in done.stderr
