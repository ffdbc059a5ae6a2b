"""BullMQ on Node, beside our queue.

`package-lock.json` pins versions and contents, without the address of a registry: npm takes them
from the one that it is configured for. `npm ci` puts them into a cache folder, once.

peer.mjs    the client, which does what it is told
"""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runnerhub.adapters.embedded.child import tied_command

HERE = Path(__file__).parent
INSTALL_SECONDS = 300
FLAGS = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")


class NoPeer(Exception):
    """It cannot be had here; says why."""


class BullMQ:
    """A running client, and worker."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def do(self, what: str, **options: int) -> dict[str, Any]:
        """Let it do something; return what it says of that. Raises RuntimeError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **options}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"BullMQ's client ended with {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


def versions() -> dict[str, str]:
    """Return the versions of Node, and of what is pinned."""
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    return {"node": node.stdout.strip(), **pinned}


def installed() -> Path:
    """Return a folder with the packages and the client. Raises NoPeer."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NoPeer("node and npm are not installed")
    lock = (HERE / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "runnerhub" / "bench" / f"bullmq-{hashlib.sha256(lock).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder / name)
            _install(npm, folder)
            (folder / "complete").touch()
        shutil.copy(HERE / "peer.mjs", folder / "peer.mjs")
    return folder


def _install(npm: str, folder: Path) -> None:
    try:
        subprocess.run(
            [npm, "ci", "--omit-lockfile-registry-resolved", *FLAGS],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NoPeer(f"npm took more than {INSTALL_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        words = error.stderr.decode(errors="replace").strip().splitlines()
        raise NoPeer(f"npm: {words[0] if words else error.returncode}") from None


@contextmanager
def bullmq(socket: Path) -> Iterator[BullMQ]:
    """Run a client of the Redis on a socket. Raises NoPeer."""
    folder = installed()
    command = ["node", str(folder / "peer.mjs"), str(socket)]
    with subprocess.Popen(
        tied_command(command, death_signal=signal.SIGTERM),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield BullMQ(process)
        finally:
            process.terminate()
