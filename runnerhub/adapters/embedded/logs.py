"""Bounds what the embedded servers write as logs."""

import contextlib
from pathlib import Path

MAX_FILES = 8
MAX_BYTES = 10 * 1024 * 1024


def prune(folder: Path, pattern: str) -> None:
    """Keep the `MAX_FILES` newest files that match, remove the rest."""
    with contextlib.suppress(OSError):
        newest_first = sorted(
            folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True
        )
        for path in newest_first[MAX_FILES:]:
            path.unlink(missing_ok=True)


def rotate(path: Path) -> None:
    """Move a file past `MAX_BYTES` aside, as `name.1`; its writer opens it anew for each line."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > MAX_BYTES:
            path.replace(path.with_name(path.name + ".1"))


def tail(paths: list[Path], lines: int = 12) -> str:
    """Return the last lines of the files that exist, for an error message."""
    texts = []
    for path in paths:
        with contextlib.suppress(OSError):
            texts += path.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(texts[-lines:])
