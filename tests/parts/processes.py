"""Finding and ending processes of our own, by pid, and the mounts below a folder of ours."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_PAUSE = 0.02


def wait_until(holds: Callable[[], bool], within: float, what: str) -> None:
    """Poll until `holds`; raise TimeoutError with `what` after so many seconds."""
    give_up_at = time.monotonic() + within
    while not holds():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"not within {within:g} s: {what}")
        time.sleep(_PAUSE)


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def matching(told_by: Callable[[Path], bool]) -> list[int]:
    """List the pids whose /proc folder satisfies `told_by`; ours is never among them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if told_by(entry):
                    found.append(int(entry.name))
    return found


def with_argument(part: str) -> list[int]:
    """List the pids whose command line contains `part`, a path of ours."""
    return matching(lambda entry: part.encode() in (entry / "cmdline").read_bytes())


def kill_all(pids: Iterable[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to each; one that is gone already is fine."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end(process: subprocess.Popen[bytes], number: signal.Signals, within: float) -> int:
    """Ask a child of ours to end, insist with SIGKILL, and reap it; return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
    try:
        return process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(within)


def mounts_below(folder: Path) -> list[Path]:
    """List the mount points at or below `folder`, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    return [point for point in reversed(points) if point.is_relative_to(folder)]


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below `folder`."""
    for point in mounts_below(folder):
        subprocess.run(["umount", "--lazy", str(point)], check=False, capture_output=True)
