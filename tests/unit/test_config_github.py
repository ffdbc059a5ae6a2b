"""The settings of GitHub: the table, its variables, and what is refused."""

from pathlib import Path

import pytest

from runnerhub.config import ConfigError, load_settings
from runnerhub.model.budget import BudgetStrategy


def test_without_any_github_is_not_configured() -> None:
    assert load_settings(None, {}).github.all_credentials == ()


def test_variables_win_over_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "runnerhub.toml"
    file.write_text(
        '[github]\napp_id = 12\ninstallation_id = 7\nprivate_key_file = "/k"\n'
        'strategy = "aggressive"\n'
        '[[github.credentials]]\nname = "acme"\naccounts = ["acme"]\ntoken = "t2"\n'
    )
    monkeypatch.setenv("RUNNERHUB_GITHUB_API_URL", "https://ghe.example/api/v3")
    monkeypatch.setenv("RUNNERHUB_GITHUB_WEBHOOK_SECRETS", "new, old")
    monkeypatch.setenv("RUNNERHUB_GITHUB_INSTALLATION_ID", "8")
    github = load_settings(file, {}).github
    assert (github.app_id, github.installation_id) == ("12", 8)
    assert github.api_url == "https://ghe.example/api/v3"
    assert github.webhook_secrets == ("new", "old")
    assert github.strategy is BudgetStrategy.AGGRESSIVE
    assert [each.name for each in github.all_credentials] == ["default", "acme"]
    assert "t2" not in repr(github)
    assert "old" not in repr(github)


def test_variables_alone_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNERHUB_GITHUB_TOKEN", "t")
    github = load_settings(None, {}).github
    assert [each.token for each in github.all_credentials] == ["t"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('token = "t"\napp_id = 1\nprivate_key_file = "k"', "token"),
        ("app_id = 1", "private_key_file"),
        ('private_key_file = "k"', "app_id"),
        ('api_url = "github.com"', "api_url"),
        ('strategy = "reckless"', "strategy"),
        ('token = "t"\n[[github.credentials]]\ntoken = "u"', "credentials"),
        ("surprise = 1", "surprise"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "runnerhub.toml"
    file.write_text(f"[github]\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {})
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)
