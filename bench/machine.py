"""Where a result comes from: machine, versions and commit."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("trio", "hypercorn", "quart", "asyncpg", "redis", "uvloop", "pykka", "aiodocker")

# Read before anything is measured: who else was busy then.
_LOAD_BEFORE = os.getloadavg()[0]


def machine() -> dict[str, Any]:
    """Return the processor, the memory, the kernel, and the load then and now."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": int(_field("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "kernel": platform.release(),
        "load_before": round(_LOAD_BEFORE, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of what the speed depends on."""
    found = {"python": platform.python_version(), "implementation": sys.implementation.name}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def source() -> dict[str, Any]:
    """Return the commit, and whether files under `runnerhub` or `bench` differ from it."""
    changes = _git("status", "--porcelain", "--", "runnerhub", "bench", ":!bench/results")
    return {"commit": _git("rev-parse", "HEAD"), "dirty": bool(changes)}


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or ("" if done.returncode == 0 else "unknown")


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"
