"""The processes below one, and their end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def kill_below(pid: int, within: float = 5.0) -> None:
    """Kill every process below one, those that come meanwhile too; they are not waited for."""
    give_up_at = time.monotonic() + within
    while time.monotonic() < give_up_at:
        found = _below(pid)
        if not found:
            return
        for each in found:
            try:
                os.kill(each, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def _below(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            state, parent = _state_and_parent(entry)
            if state not in ("", "Z", "X"):
                children.setdefault(parent, []).append(int(entry.name))
    found, new = [], [pid]
    while new:
        new = [child for each in new for child in children.get(each, [])]
        found += new
    return found


def _state_and_parent(entry: Path) -> tuple[str, int]:
    try:
        fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[1])
    except (OSError, IndexError):
        return "", 0
