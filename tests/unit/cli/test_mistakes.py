"""What is wrong is one line on standard error, with the mend, and an exit code."""

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from runnerhub.cli import app
from runnerhub.config import ConfigError, load_settings
from tests.unit.cli import run
from tests.unit.cli.conftest import Serve


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("submit", "Missing option '--image'; see `runnerhub submit --help`"),
        ("frobnicate", "No such command 'frobnicate'; see `runnerhub --help`"),
        ("status", "Missing argument"),
        ("jobs --limit 0", "Invalid value for '--limit'"),
        ("jobs --limit 5 --all", "give --limit or --all, not both"),
        ("logs x --patience nan", "Invalid value for '--patience'"),
        ("submit --image x --cpus nan", "Invalid value for '--cpus'"),
        ("submit --image x --timeout inf", "Invalid value for '--timeout'"),
        ("token --role viewer --days inf", "Invalid value for '--days'"),
        ("token --role boss", "'boss' is no role; there are viewer, proxy, operator, admin"),
        ("host-guard --check --remove", "give --check alone, or --print and --remove"),
        ("serve --bind nowhere", "bind: must be HOST:PORT, such as 127.0.0.1:8080"),
        ("serve --config /none", "there is no configuration file /none"),
        ("reap", "name the hosts with --docker-host NAME=URL"),
        ("reap --docker-host h=unix:///x --cluster=", "--cluster is empty"),
        ("reap --docker-host h=tcp://h:1,tls_ca=/x", "belong together"),
        (
            "reap --docker-host h=tcp://h:1,tls_ca=/none,tls_cert=/x,tls_key=/x",
            "host h: tls_ca: /none cannot be read (No such file or directory)",
        ),
    ],
)
def test_usage(arguments: str, words: str) -> None:
    done = run(*arguments.split(" "))
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stderr.startswith("runnerhub: ")
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("bind", "good"),
    [
        ("127.0.0.1:8080", True),
        ("hub.example:1", True),
        ("[::1]:8080", True),
        ("127.0.0.1", False),
        (":8080", False),
        ("127.0.0.1:65536", False),
        ("127.0.0.1:x", False),
        ("http://127.0.0.1:8080", False),
        ("127.0.0.1:8080\n", False),
    ],
)
def test_the_form_of_bind(bind: str, *, good: bool) -> None:
    if good:
        assert load_settings(None, {"bind": bind}).bind == bind
    else:
        words = r"^bind: must be HOST:PORT, such as 127\.0\.0\.1:8080$"
        with pytest.raises(ConfigError, match=words):
            load_settings(None, {"bind": bind})


def test_a_bare_call_shows_the_help() -> None:
    done = run()
    assert "Usage" in done.output
    assert "runnerhub: " not in done.output


def test_a_token_is_no_reason_to_make_a_folder_or_a_secret(tmp_path: Path) -> None:
    assert run("token", "--role", "boss", "--data-dir", str(tmp_path)).exit_code == 2
    assert list(tmp_path.iterdir()) == []
    done = run("token", "--role", "viewer", "--data-dir", str(tmp_path / "none"))
    assert done.exit_code == 1
    assert f"there is no data folder {tmp_path / 'none'}; name the node's" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "a/b", "../hosts"])
@pytest.mark.parametrize("command", ["status", "cancel", "logs", "hosts --drain"])
def test_a_name_stays_one_segment_of_the_path(api: Serve, command: str, name: str) -> None:
    seen = api({})
    done = run(*command.split(" "), name)
    assert done.exit_code == 1
    assert f"{name!r} is no job's id and no host's name" in done.stderr
    assert seen == []


def test_what_is_no_text_is_told(api: Serve) -> None:
    api({})
    done = run("submit", "--image", "x", "--", "\udcff")
    assert done.exit_code == 125
    assert "no text in UTF-8" in done.stderr


@pytest.mark.parametrize("token", ["é", "a b", "a\nb"])
def test_a_token_that_is_none(api: Serve, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    api({})
    monkeypatch.setenv("RUNNERHUB_TOKEN", token)
    assert run("jobs").stderr == (
        "runnerhub: RUNNERHUB_TOKEN is no token; `runnerhub token` issues them\n"
    )


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://hub.test"])
def test_a_url_that_is_none(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("RUNNERHUB_TOKEN", "a.token")
    monkeypatch.setenv("RUNNERHUB_URL", url)
    done = run("jobs")
    assert done.exit_code == 1
    assert f"RUNNERHUB_URL {url!r} is not a URL of http or https" in done.stderr


def test_a_gateway_that_answers_html_is_told(api: Serve) -> None:
    api({"GET /api/hosts": httpx.Response(502, content=b"<html>")})
    assert "answered 502, and no JSON object" in run("hosts").stderr


@pytest.fixture
def taken() -> Any:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        yield f"127.0.0.1:{door.getsockname()[1]}"


def test_a_port_that_is_taken_is_told_at_once(taken: str, tmp_path: Path) -> None:
    done = run("serve", "--bind", taken, "--data-dir", str(tmp_path / "data"))
    assert done.exit_code == 1
    words = f"bind: {taken} cannot be used (Address already in use); --bind names another"
    assert done.stderr == f"runnerhub: {words}\n"
    assert not (tmp_path / "data").exists()


def test_certificates_that_are_not_there_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUNNERHUB_TLS_CERT", str(tmp_path / "c.pem"))
    monkeypatch.setenv("RUNNERHUB_TLS_KEY", str(tmp_path / "k.pem"))
    done = run("serve", "--bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    assert done.exit_code == 1
    assert "tls_cert and tls_key" in done.stderr
    assert "(No such file or directory)" in done.stderr


def test_an_address_that_is_no_ledger_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUNNERHUB_DATABASE_URL", "mysql://x")
    done = run("serve", "--bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    assert done.exit_code == 2
    assert "database_url: must begin with postgresql://" in done.stderr


def test_every_command_speaks_json() -> None:
    assert len(app.registered_commands) >= 13
    for command in app.registered_commands:
        assert command.callback is not None
        assert "as_json" in command.callback.__annotations__, command.callback.__name__
