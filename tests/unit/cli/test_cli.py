"""What commands print, and how they end."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from runnerhub.cli import app

JOB = {
    "id": "job_1",
    "status": "completed",
    "conclusion": "success",
    "phase": "finished",
    "explanation": "the command exited 0",
    "exit_code": 0,
    "host": "h1",
    "repository": "acme/web",
    "timestamps": {"accepted": "2026-01-01T00:00:00Z"},
}

Serve = Callable[[dict[str, Any]], list[httpx.Request]]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Answer each path with what the test says; return the requests that came."""
    monkeypatch.setenv("RUNNERHUB_TOKEN", "a token")
    monkeypatch.setenv("RUNNERHUB_URL", "http://hub.test")
    clients: list[httpx.Client] = []

    def serve(answers: dict[str, Any]) -> list[httpx.Request]:
        seen: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            answer = answers[f"{request.method} {request.url.path}"]
            if isinstance(answer, bytes):
                return httpx.Response(200, content=answer)
            if isinstance(answer, httpx.Response):
                return answer
            if isinstance(answer, Exception):
                raise answer
            return httpx.Response(200, json=answer)

        real = httpx.Client

        def client(**more: Any) -> httpx.Client:
            made = real(transport=httpx.MockTransport(handle), **more)
            clients.append(made)
            return made

        monkeypatch.setattr(httpx, "Client", client)
        return seen

    yield serve
    for client in clients:
        client.close()


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


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
    assert seen[0].headers["authorization"] == "Bearer a token"


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
