"""Settings: where each comes from, and that what is wrong is named in one line."""

from pathlib import Path

import pytest

from runnerhub.config import ConfigError, load_settings


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('bind = "nowhere"', "bind"),
        ("max_attempts = 0", "max_attempts"),
        ('on_stop = "explode"', "on_stop"),
        ("surprise = 1", "surprise"),
        ('jwt_secret = "short"', "jwt_secret"),
        ('docker_hosts = ["x"]', "docker_hosts"),
        ('docker_hosts = ["a=http://x"]', "docker_hosts"),
        ('docker_hosts = ["a=unix:///x,slots=0"]', "slots"),
        ('docker_hosts = ["a=unix:///x", "a=unix:///y"]', "docker_hosts"),
        ('tls_cert = "c.pem"', "tls_key"),
        ('tls_key = "k.pem"', "tls_cert"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "runnerhub.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {})
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_variable_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNERHUB_POOLS", "x")
    with pytest.raises(ConfigError, match="pools"):
        load_settings(None, {})


def test_the_command_line_wins_then_the_environment_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "runnerhub.toml"
    file.write_text('bind = "a:1"\nmax_attempts = 7\nredis_url = "redis://file"\n')
    monkeypatch.setenv("RUNNERHUB_BIND", "b:2")
    monkeypatch.setenv("REDIS_URL", "redis://variable")
    found = load_settings(file, {})
    assert (found.bind, found.max_attempts) == ("b:2", 7)
    assert found.redis_url == "redis://variable"
    monkeypatch.setenv("RUNNERHUB_REDIS_URL", "redis://ours")
    assert load_settings(file, {"bind": "c:3"}).bind == "c:3"
    assert load_settings(file, {}).redis_url == "redis://ours"
