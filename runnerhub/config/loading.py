"""Read the settings from where they are, and say in one line what is wrong with them."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from runnerhub.config.names import first_problem
from runnerhub.config.settings import Settings
from runnerhub.errors import RunnerHubError

GITHUB_VARIABLES = (
    "api_url",
    "token",
    "app_id",
    "installation_id",
    "private_key_file",
    "webhook_secrets",
    "strategy",
)


class ConfigError(RunnerHubError):
    """A setting is wrong; the message names it and the mend, in one line."""


def load_settings(config: Path | None, overrides: Mapping[str, object]) -> Settings:
    """Read the settings.

    Args:
        config: the file; `RUNNERHUB_CONFIG`, or ./runnerhub.toml if it exists, for None.
        overrides: from the command line; None values count as not given.

    Raises:
        ConfigError: in one line, what is wrong and where.
    """
    from_file = _with_github(_read(config))
    given = {key: value for key, value in overrides.items() if value is not None}
    for name in ("DATABASE_URL", "REDIS_URL"):
        if os.environ.get(name) and f"RUNNERHUB_{name}" not in os.environ:
            given.setdefault(name.lower(), os.environ[name])
    in_environment = {
        key.removeprefix("RUNNERHUB_").lower() for key in os.environ if key.startswith("RUNNERHUB_")
    }
    merged = {k: v for k, v in from_file.items() if k not in in_environment} | given
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise ConfigError(first_problem(error)) from None
    except SettingsError as error:  # an environment variable that ought to hold JSON
        raise ConfigError(f"{error}; it must be JSON") from None


def _with_github(from_file: dict[str, Any]) -> dict[str, Any]:
    """Let `RUNNERHUB_GITHUB_TOKEN` and its like win over the table `[github]`."""
    found = {
        field: value
        for field in GITHUB_VARIABLES
        if (value := os.environ.get(f"RUNNERHUB_GITHUB_{field.upper()}"))
    }
    table = from_file.get("github", {})
    return from_file | {"github": table | found} if found and isinstance(table, dict) else from_file


def _read(config: Path | None) -> dict[str, Any]:
    named = config or (Path(p) if (p := os.environ.get("RUNNERHUB_CONFIG")) else None)
    path = named or Path("runnerhub.toml")
    if not path.exists():
        if named is not None:
            raise ConfigError(f"there is no configuration file {path}")
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from None
