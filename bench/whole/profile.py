"""Where a process's time goes: py-spy's samples as a table, and as folded stacks for a flame."""

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RATE = 250
TOP = 60
# A thread that waits for its next task: py-spy often takes it for one that runs.
WAITS = "WorkerThread._work "
# The innermost of these that a stack holds is whom its time is charged to.
PARTS = {
    "bench/": "the benchmark",
    "prometheus_client/": "metrics",
    "structlog/": "logging",
    "asyncpg/": "asyncpg",
    "adapters/postgres": "ledger adapter",
    "redis/": "redis-py",
    "adapters/redis": "queue adapter",
    "aiodocker/": "aiodocker",
    "aiohttp/": "aiohttp",
    "yarl/": "aiohttp",
    "multidict/": "aiohttp",
    "adapters/docker": "engine adapter",
    "hypercorn/": "hypercorn",
    "h11/": "hypercorn",
    "quart": "quart",
    "werkzeug/": "quart",
    "runnerhub/api": "api",
    "runnerhub/actors": "actors",
    "runnerhub/model": "model",
    "runnerhub/runtime": "runtime and bridge",
    "runnerhub/service": "service",
    "trio/": "trio",
    "asyncio/": "asyncio",
}


@contextmanager
def profiled(pid: int, to: Path | None) -> Iterator[None]:
    """Sample a process meanwhile; write TO.folded and TO.txt at the end. None does nothing.

    Sampling stops the process for moments, so nothing that is measured meanwhile is a figure.

    Raises:
        RuntimeError: py-spy is not installed (`pip install py-spy`), or may not look.
    """
    if to is None:
        yield
        return
    beside = Path(sys.executable).with_name("py-spy")
    spy = str(beside) if beside.exists() else shutil.which("py-spy")
    if spy is None:
        raise RuntimeError("a profile needs py-spy: pip install py-spy")
    folded = to.with_suffix(".folded")
    folded.parent.mkdir(parents=True, exist_ok=True)
    command = [spy, "record", "-p", str(pid), "-r", str(RATE), "-d", "3600", "-f", "raw", "-F"]
    process = subprocess.Popen(
        [*command, "-o", str(folded)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield
    finally:
        process.send_signal(2)
        _, said = process.communicate(timeout=60)
    if not folded.exists():
        raise RuntimeError(f"no profile: {said.decode()}")
    to.with_suffix(".txt").write_text(table(folded.read_text()))


def table(folded: str) -> str:
    """Return who uses how much: by part, by function alone, by function with what it calls."""
    parts: Counter[str] = Counter()
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if frames[-1].startswith(WAITS):
            continue
        samples = int(count)
        own[frames[-1]] += samples
        within.update(dict.fromkeys(frames, samples))
        parts[_part(frames)] += samples
    total = sum(own.values()) or 1
    lines = [f"{total} samples, {RATE} a second, of threads that ran"]
    # What is in nearly every stack says nothing.
    within = Counter({name: count for name, count in within.items() if count < 0.9 * total})
    for title, counter in (
        ("by part: the innermost that is known", parts),
        ("by function, alone", own),
        ("by function, with what it calls", within),
    ):
        lines += ["", title]
        lines += [f"  {100 * n / total:5.1f} %  {name}" for name, n in counter.most_common(TOP)]
    return "\n".join(lines) + "\n"


def _part(frames: list[str]) -> str:
    for frame in reversed(frames):
        for key, name in PARTS.items():
            if key in frame:
                return name
    return "other"
