"""The folder in which one node keeps everything it must remember.

At most one process holds a data folder at a time; the kernel's `flock` says which, so a crash
releases it and a stale file never blocks a start. The node's id lives here too: after a crash
the next process is the same node, and takes its own leases back at once.
"""

import fcntl
import os
import stat
import uuid
from pathlib import Path
from typing import Self

from runnerhub.errors import RunnerHubError


class DataFolderError(RunnerHubError):
    """The data folder cannot be used; the message says what to change."""


class DataFolderBusy(DataFolderError):
    """Another live process holds the data folder.

    Attributes:
        holder_pid: The holder's process id, or None where it could not be read.
    """

    def __init__(self, path: Path, holder_pid: int | None) -> None:
        who = "another process" if holder_pid is None else f"process {holder_pid}"
        super().__init__(
            f"The data folder {path} is in use by {who}. Stop it first, or choose another folder."
        )
        self.holder_pid = holder_pid


class DataFolder:
    """A locked data folder; use `open`, then `close` or a `with` block.

    Attributes:
        path: The folder, absolute and free of links.
        node_id: 32 hexadecimal digits, chosen once and kept.
    """

    def __init__(self, path: Path, node_id: str, lock_fd: int) -> None:
        self.path = path
        self.node_id = node_id
        self._lock_fd = lock_fd

    @classmethod
    def open(cls, path: Path) -> Self:
        """Create the folder where it is missing (mode 0700), lock it, and read the node's id.

        Raises:
            DataFolderBusy: Another process holds it.
            DataFolderError: It cannot be created or written, or others may write into it.
        """
        path = path.resolve()
        try:
            _ensure_private(path)
            lock_fd = _lock(path)
            try:
                return cls(path, _node_id(path / "node-id"), lock_fd)
            except BaseException:
                os.close(lock_fd)
                raise
        except OSError as error:
            raise DataFolderError(
                f"The data folder {path} cannot be used: {error.strerror} ({error.filename})."
            ) from error

    def close(self) -> None:
        """Release the lock; harmless when repeated. The files stay."""
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ensure_private(path: Path) -> None:
    """Create `path` for its owner alone; refuse one that others may write into."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise DataFolderError(f"{path} is not a folder.")
    if found.st_mode & 0o022:
        raise DataFolderError(
            f"Others may write into {path} (mode {found.st_mode & 0o7777:04o}). "
            "Choose a folder of RunnerHub's own, or take their right to write away."
        )


def _lock(path: Path) -> int:
    """Take the lock and write our pid into it, for the message that a second opener gets."""
    fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
        os.close(fd)
        raise DataFolderBusy(path, int(holder) if holder.isdigit() else None) from None
    except BaseException:
        os.close(fd)
        raise
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _node_id(path: Path) -> str:
    """Read the node's id; on first use choose one and make it durable before it is used."""
    try:
        kept = path.read_text().strip()
    except FileNotFoundError:
        kept = ""
    if kept:
        return kept
    chosen = uuid.uuid4().hex
    draft = path.with_suffix(".new")
    with draft.open("w") as file:
        file.write(chosen + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return chosen
