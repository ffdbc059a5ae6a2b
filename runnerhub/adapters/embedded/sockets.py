"""A folder for unix sockets whose path is short enough.

The kernel takes 107 bytes for a socket's path. A deep data folder does not fit, so the sockets
then live in a short folder elsewhere, whose name the data folder remembers.
"""

import os
import stat
import tempfile
from pathlib import Path

LONGEST = 100
_LONGEST_NAME = ".s.PGSQL.5432.lock"


def socket_folder(data_dir: Path) -> Path:
    """Return a folder for sockets, 0700 and ours: `data_dir/run`, or a short one elsewhere.

    The same data folder gives the same answer in every life, as long as the folder exists.
    """
    inside = data_dir / "run"
    if len(os.fsencode(inside / _LONGEST_NAME)) < LONGEST:
        inside.mkdir(mode=0o700, exist_ok=True)
        return inside
    note = data_dir / "run-dir"
    if note.exists():
        kept = Path(note.read_text().strip())
        if _is_ours(kept):
            return kept
    made = Path(tempfile.mkdtemp(prefix="rh-", dir=_short_base()))
    note.write_text(f"{made}\n")
    return made


def _short_base() -> str:
    """Return the user's runtime folder where there is a short one, else the temporary folder."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    short = 0 < len(os.fsencode(base)) < LONGEST // 2
    # mkdtemp chooses a name of its own there, and makes it 0700.
    return base if short and os.access(base, os.W_OK) else "/tmp"  # noqa: S108


def _is_ours(folder: Path) -> bool:
    """Tell whether `folder` is a real folder that nobody else can use; /tmp is everybody's."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_mode & 0o077 == 0
        and (found.st_uid == os.geteuid() or os.geteuid() == 0)
    )
