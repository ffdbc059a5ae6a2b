"""`runnerhub doctor`, by its command: over HTTP against a simulated GitHub, and on real stores."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from runnerhub.adapters.data_folder import DataFolder
from runnerhub.sim.github.serving import TOKEN, SimGitHub, serve_sim_github
from tests.parts.dockerd import Dockerd
from tests.unit.cli import run

NAMES = ["configuration", "data folder", "postgresql", "redis", "docker", "github"]


@contextmanager
def a_github(order: Callable[[SimGitHub], None] = lambda _: None) -> Iterator[str]:
    """Serve a simulated GitHub from a thread for the block."""
    started, stop = threading.Event(), trio.Event()
    served: dict[str, Any] = {}

    async def main() -> None:
        async with serve_sim_github() as sim:
            sim.state.places.add_repository("acme/web")
            order(sim)
            served.update(url=sim.url, token=trio.lowlevel.current_trio_token())
            started.set()
            await stop.wait()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    assert started.wait(30)
    try:
        yield served["url"]
    finally:
        served["token"].run_sync_soon(stop.set)
        thread.join(30)


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNNERHUB_DATA_DIR", str(tmp_path / "data"))
    for name in ("DATABASE_URL", "REDIS_URL", "RUNNERHUB_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def examined(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = run("doctor", "--json", *arguments)
    checks = json.loads(done.stdout)["checks"]
    assert all(set(check) == {"name", "ok", "detail"} for check in checks)
    assert done.exit_code == (0 if all(check["ok"] for check in checks) else 1)
    return done.exit_code, {check["name"]: check for check in checks}


def test_without_anything_it_says_what_is_missing(tmp_path: Path) -> None:
    code, checks = examined()
    assert list(checks) == NAMES
    assert code == 1
    assert not checks["docker"]["ok"]
    assert checks["github"]["ok"]
    assert "not configured" in checks["github"]["detail"]
    assert "will be made" in checks["data folder"]["detail"]
    assert not (tmp_path / "data").exists()


def test_for_people_it_is_a_table() -> None:
    done = run("doctor")
    assert done.exit_code == 1
    (line,) = [line for line in done.stdout.splitlines() if line.strip().startswith("docker")]
    assert "NOT OK" in line


def test_what_needs_github_is_not_well_without_it(tmp_path: Path) -> None:
    (tmp_path / "runnerhub.toml").write_text(
        '[[pools]]\nname = "a"\nscope = "orgs/acme"\nimage = "x"\nlabels = ["x"]\n'
        '[[pools]]\nname = "b"\nimage = "x"\nlabels = ["y"]\n'
        '[[scale_sets]]\nname = "big"\nscope = "orgs/acme"\npool = "b"\n'
    )
    _, checks = examined()
    assert not checks["github"]["ok"]
    assert "not configured" in checks["github"]["detail"]
    assert "nothing comes of pool a, scale set big" in checks["github"]["detail"]


@pytest.mark.parametrize(
    ("text", "word"), [("bind = 1", "bind"), ("nonsense", "runnerhub.toml"), ("x = 1", "x")]
)
def test_a_wrong_configuration_is_a_check(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "runnerhub.toml").write_text(text)
    code, checks = examined()
    assert code == 1
    assert list(checks) == ["configuration"]
    assert word in checks["configuration"]["detail"]


def test_a_node_may_be_using_the_folder(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "data"):
        _, checks = examined()
        assert "in use by the node" in checks["data folder"]["detail"]
    _, checks = examined()
    assert "can be used" in checks["data folder"]["detail"]
    (tmp_path / "data").chmod(0o777)
    _, checks = examined()
    assert not checks["data folder"]["ok"]


def test_stores_that_do_not_answer_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/x")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    _, checks = examined("--docker-host", "h1=unix:///nowhere.sock")
    for name in ("postgresql", "redis", "docker:h1"):
        assert not checks[name]["ok"], name
    monkeypatch.setenv("REDIS_URL", "nonsense")
    assert "redis_url" in examined()[1]["redis"]["detail"]


@pytest.mark.real
def test_stores_that_answer(
    fresh_database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", fresh_database)
    monkeypatch.setenv("REDIS_URL", redis_url)
    _, checks = examined()
    assert "no schema yet" in checks["postgresql"]["detail"]
    assert checks["redis"]["ok"]


@pytest.mark.real
def test_a_host_and_its_images(docker_engine: Dockerd, tmp_path: Path) -> None:
    (tmp_path / "runnerhub.toml").write_text(
        '[[pools]]\nname = "a"\nimage = "no.where/image:1"\nlabels = ["x"]\n'
    )
    code, checks = examined("--docker-host", f"h1={docker_engine.url}")
    assert code == 1
    assert checks["docker:h1"]["ok"]
    assert "egress guard" in checks["docker:h1"]["detail"]
    assert "no.where/image:1" in checks["images:h1"]["detail"]


def test_a_token_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_github() as url:
        monkeypatch.setenv("RUNNERHUB_GITHUB_API_URL", url)
        monkeypatch.setenv("RUNNERHUB_GITHUB_TOKEN", TOKEN)
        _, checks = examined()
        assert all(check["ok"] for name, check in checks.items() if name.startswith("github"))
        assert not checks["webhooks"]["ok"]
        monkeypatch.setenv("RUNNERHUB_GITHUB_WEBHOOK_SECRETS", "new,old")
        assert examined()[1]["webhooks"]["detail"] == "2 secrets set"
        monkeypatch.setenv("RUNNERHUB_GITHUB_TOKEN", "ghp_wrong")
        _, checks = examined()
        assert "does not take the token" in checks["github:default"]["detail"]
    _, checks = examined()
    assert "cannot be reached" in checks["github:default"]["detail"]


def test_what_an_app_lacks_is_named(tmp_path: Path) -> None:
    made: dict[str, Any] = {}

    def order(sim: SimGitHub) -> None:
        held = {"metadata": "read", "actions": "read", "administration": "read"}
        app, made["key"] = sim.state.access.add_app("hub", "acme", permissions=held)
        sim.state.access.install(app, "acme")
        made["id"] = app.id

    with a_github(order) as url:
        (tmp_path / "app.pem").write_text(made["key"])
        config = (
            f'[github]\napi_url = "{url}"\napp_id = {made["id"]}\nprivate_key_file = "app.pem"\n'
            'webhook_secrets = ["s"]\n'
        )
        (tmp_path / "runnerhub.toml").write_text(config)
        _, checks = examined()
        assert checks["github:default:permissions"]["ok"]
        (tmp_path / "runnerhub.toml").write_text(
            f'{config}\n[[pools]]\nname = "a"\nscope = "repository"\nimage = "x"\nlabels = ["x"]\n'
        )
        _, checks = examined()
        assert not checks["github:default:permissions"]["ok"]
        assert "lacks `administration: write`" in checks["github:default:permissions"]["detail"]
        (tmp_path / "app.pem").write_text("no key")
        _, checks = examined()
        assert not checks["github"]["ok"]
        assert "app.pem" in checks["github"]["detail"] or "key" in checks["github"]["detail"]
