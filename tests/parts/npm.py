"""Packages of npm that tests need: GitHub's REST description, its payloads, and its clients.

They are installed once, pinned, into `$XDG_CACHE_HOME/runnerhub/npm` (or `~/.cache/…`).
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.parts.needs import require

PACKAGES = (
    "@octokit/auth-app@8.3.1",
    "@octokit/core@7.0.6",
    "@octokit/openapi@23.0.2",
    "@octokit/plugin-paginate-rest@13.2.1",
    "@octokit/plugin-throttling@11.0.3",
    "@octokit/webhooks-examples@7.6.1",
)
_INSTALL_SECONDS = 300


def packages() -> Path:
    """Return the folder `node_modules` with `PACKAGES`; skip the test where they cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        require("npm", "npm and node are not installed")
    wanted = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "runnerhub" / "npm" / wanted
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _install(npm, folder)
            (folder / "complete").touch()
    return folder / "node_modules"


def _install(npm: str, folder: Path) -> None:
    flags = ("--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", "--loglevel=error")
    try:
        subprocess.run(
            [npm, "install", "--prefix", str(folder), *flags, *PACKAGES],
            check=True,
            capture_output=True,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        require("npm", f"installing took more than {_INSTALL_SECONDS} s")
    except subprocess.CalledProcessError as error:
        require("npm", error.stderr.decode(errors="replace").strip()[-400:])
