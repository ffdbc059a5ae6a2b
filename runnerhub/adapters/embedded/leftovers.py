"""Ends what an earlier life left running in a folder.

The kernel ends our servers when we die, but not in no time: PostgreSQL writes a checkpoint,
its backends notice the loss of their parent a moment later. A server works *in* its data
folder, so its current directory tells it from every stranger, whatever its pid file says.
The caller holds the data folder's lock: nobody else can rightly be running there.
"""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from runnerhub.adapters.embedded.errors import EmbeddedServerError

_PAUSE = 0.02


def processes_in(folder: Path, program: str) -> list[int]:
    """List the pids of processes named `program` whose current directory is `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text().strip() != program:
                continue
            if (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return found


async def end_leftovers(folder: Path, program: str, patience: float = 5.0) -> None:
    """Wait until no `program` runs in `folder`; help with SIGKILL after `patience` seconds.

    Cancelling stops the waiting and changes nothing else.

    Raises:
        EmbeddedServerError: Something still runs there two seconds after SIGKILL.
    """
    if await _gone(folder, program, patience):
        return
    for pid in processes_in(folder, program):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not await _gone(folder, program, 2.0):
        pids = processes_in(folder, program)
        raise EmbeddedServerError(f"{program} still runs in {folder} and cannot be ended: {pids}.")


async def _gone(folder: Path, program: str, within: float) -> bool:
    """Tell whether the folder became free within so many seconds."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + within
    while processes_in(folder, program):
        if loop.time() >= give_up_at:
            return False
        await asyncio.sleep(_PAUSE)
    return True
