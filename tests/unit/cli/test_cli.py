"""What commands print, and how they end."""

import json
import sys
import threading
from typing import Any

import httpx
import pytest

from runnerhub.cli.submit import _tell_what_waits
from tests.unit.cli import JOB, RUNNING, run
from tests.unit.cli.conftest import Serve


@pytest.mark.parametrize(
    ("conclusion", "code", "expected"),
    [
        ("success", 0, 0),
        ("failure", 7, 7),
        ("failure", None, 125),
        ("timed_out", None, 124),
        ("cancelled", None, 130),
    ],
)
def test_submit_ends_as_the_job_does(
    api: Serve, conclusion: str, code: int | None, expected: int
) -> None:
    ended = {**JOB, "conclusion": conclusion, "exit_code": code}
    seen = api(
        {
            "POST /api/jobs/delegate": JOB,
            "GET /api/jobs/job_1/logs": b"hello\n",
            "GET /api/jobs/job_1/status": ended,
        }
    )
    done = run("submit", "--image", "debian:12", "--env", "A=b=c", "--", "echo", "hello")
    assert done.exit_code == expected, done.output
    assert "hello\n" in done.output
    body = json.loads(seen[0].content)
    assert body["execution"]["command"] == ["echo", "hello"]
    assert body["execution"]["env"] == {"A": "b=c"}
    assert seen[0].headers["authorization"] == "Bearer a.token"


def test_submit_without_a_server_is_our_trouble(api: Serve) -> None:
    api({"POST /api/jobs/delegate": httpx.ConnectError("refused")})
    done = run("submit", "--image", "debian:12")
    assert done.exit_code == 125
    assert "does not answer (refused)" in done.output
    assert len(done.output.splitlines()) == 1


def test_a_problem_is_one_line(api: Serve) -> None:
    problem = {"title": "Unprocessable Entity", "detail": "priority: too large"}
    api({"POST /api/jobs/delegate": httpx.Response(422, json=problem)})
    done = run("submit", "--image", "debian:12", "--priority", "101")
    assert done.output == "runnerhub: Unprocessable Entity: priority: too large\n"
    assert done.exit_code == 125


def test_env_needs_its_form(api: Serve) -> None:
    api({})
    done = run("submit", "--image", "debian:12", "--env", "A")
    assert done.exit_code == 2
    assert "KEY=VALUE" in done.output


def test_json_for_programs(api: Serve) -> None:
    page = {"jobs": [JOB], "next_cursor": None}
    api({"GET /api/jobs": page, "GET /api/hosts": {"hosts": []}})
    assert json.loads(run("jobs", "--json").output) == page
    assert json.loads(run("hosts", "--json").output) == {"hosts": []}


def test_tables_for_people(api: Serve) -> None:
    api({"GET /api/jobs": {"jobs": [JOB], "next_cursor": None}})
    done = run("jobs")
    assert "acme/web" in done.output
    assert done.exit_code == 0


def test_without_a_token_it_says_where_one_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("RUNNERHUB_TOKEN", raising=False)
    monkeypatch.setenv("RUNNERHUB_DATA_DIR", str(tmp_path))
    done = run("jobs")
    assert done.exit_code == 1
    assert "set RUNNERHUB_TOKEN" in done.output


def test_a_wrong_host_names_the_form() -> None:
    done = run("serve", "--docker-host", "h1")
    assert done.exit_code == 2
    assert "NAME=URL" in done.output


def test_reap_needs_hosts_and_a_cluster(tmp_path: Any) -> None:
    assert "name the hosts" in run("reap").output
    done = run("reap", "--docker-host", f"h1=unix://{tmp_path}/none.sock")
    assert "name the cluster" in done.output
    assert done.exit_code == 1


def test_the_guard_can_be_read_before_it_is_installed() -> None:
    done = run("host-guard", "--print")
    assert "rh-+" in done.output
    assert all(line.startswith("iptables ") for line in done.output.splitlines())
    undone = run("host-guard", "--print", "--remove")
    assert all(
        " -D " in line or "-F" in line or "-X" in line for line in undone.output.splitlines()
    )


def test_a_problem_names_each_field_once(api: Serve) -> None:
    errors = [
        {"field": "priority", "message": "too large"},
        {"field": "execution.image", "message": "is empty"},
    ]
    problem = {"title": "Unprocessable Entity", "detail": "priority: too large", "errors": errors}
    api({"POST /api/jobs/delegate": httpx.Response(422, json=problem)})
    done = run("submit", "--image", "x", "--priority", "101")
    words = "priority: too large; execution.image: is empty"
    assert done.output == f"runnerhub: Unprocessable Entity: {words}\n"


def test_brackets_in_an_explanation_are_text(api: Serve) -> None:
    said = "[/bad] [red]x :smile:"
    api({"GET /api/jobs": {"jobs": [{**JOB, "explanation": said}], "next_cursor": None}})
    done = run("jobs")
    assert done.exit_code == 0, done.exception
    for word in said.split():
        assert word in done.output


@pytest.mark.parametrize(
    ("url", "answer", "words"),
    [
        ("http://[::1", {}, "is not a URL"),
        ("http://hub.test", [], "no JSON object"),
        ("http://hub.test", b"<html>", "no JSON"),
    ],
)
def test_what_is_no_hub_is_named_in_one_line(
    api: Serve, monkeypatch: pytest.MonkeyPatch, url: str, answer: Any, words: str
) -> None:
    monkeypatch.setenv("RUNNERHUB_URL", url)
    api({"GET /api/hosts": answer})
    done = run("hosts")
    assert done.exit_code == 1
    assert words in done.output
    assert len(done.output.splitlines()) == 1


def test_the_log_of_an_earlier_attempt(api: Serve) -> None:
    seen = api({"GET /api/jobs/job_1/logs": b"before\n"})
    assert run("logs", "job_1", "--attempt", "1").output == "before\n"
    assert dict(seen[0].url.params) == {"follow": "false", "attempt": "1"}
    both = run("logs", "job_1", "--attempt", "1", "--follow")
    assert (both.exit_code, len(both.output.splitlines()), len(seen)) == (2, 1, 1)


def test_an_interrupt_is_no_traceback(api: Serve) -> None:
    api({"GET /api/jobs/job_1/status": RUNNING, "GET /api/jobs/job_1/logs": KeyboardInterrupt()})
    done = run("logs", "-f", "job_1")
    assert done.exit_code == 130
    assert "Traceback" not in done.output


def test_tokens_and_the_guard_have_json_too(tmp_path: Any) -> None:
    done = run("token", "--role", "viewer", "--data-dir", str(tmp_path), "--json")
    issued = json.loads(done.output)
    assert issued["role"] == "viewer"
    assert issued["token"].count(".") == 2
    commands = json.loads(run("host-guard", "--print", "--json").output)["commands"]
    assert all(command[0] == "iptables" for command in commands)


@pytest.mark.parametrize(
    ("option", "stands", "words", "code"),
    [
        ("--check", True, "the guard stands", 0),
        ("--check", False, "the guard is missing", 1),
        ("--remove", False, "the guard is removed", 0),
    ],
)
def test_the_guard_says_how_it_is(
    monkeypatch: pytest.MonkeyPatch, *, option: str, stands: bool, words: str, code: int
) -> None:
    monkeypatch.setattr("runnerhub.adapters.docker.guard.check", lambda: stands)
    monkeypatch.setattr("runnerhub.adapters.docker.guard.remove", lambda: None)
    done = run("host-guard", option)
    assert (done.output, done.exit_code) == (f"{words}\n", code)
    done = run("host-guard", option, "--json")
    assert (json.loads(done.output), done.exit_code) == ({"stands": stands}, code)


def test_why_a_job_waits_is_told_when_it_changes(
    api: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules["runnerhub.cli.submit"], "LOOK_SECONDS", 0.0)
    full, lacking = ({**RUNNING, "status": "queued", "explanation": why} for why in ("full", "no"))
    away = httpx.ConnectError("refused")
    api({"GET /api/jobs/job_1/status": [full, full, away, lacking, RUNNING]})
    _tell_what_waits("job_1", threading.Event())
    assert capsys.readouterr().err == "queued: full\nqueued: no\n"
