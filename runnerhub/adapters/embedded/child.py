"""A child process that does not outlive us.

Linux sends a chosen signal to a child when the *thread* that forked it ends (PDEATHSIG), and
forgets the choice when the child changes its credentials. So the order of the command matters:

    [unshare … | setpriv --reuid …]   become somebody else; this clears PDEATHSIG
    setpriv --pdeathsig SIG           ask for the signal
    sh -c '[ $PPID = parent ] …'      the parent may have died before the line above
    the server                        exec all along: one pid

and the fork happens on the main thread, which ends with the process.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from runnerhub.adapters.embedded.errors import EmbeddedServerError

_STILL_OURS = '[ "$PPID" = "$0" ] || exit 1; exec "$@"'


def tied_command(
    command: Sequence[str], *, death_signal: signal.Signals, prefix: Sequence[str] = ()
) -> list[str]:
    """Return `command` wrapped so that it gets `death_signal` when this process dies."""
    name = death_signal.name.removeprefix("SIG")
    tie = ["setpriv", "--pdeathsig", name, "--", "/bin/sh", "-c", _STILL_OURS, str(os.getpid())]
    return [*prefix, *tie, *command]


async def spawn(
    command: Sequence[str],
    *,
    death_signal: signal.Signals,
    output: Path,
    prefix: Sequence[str] = (),
) -> asyncio.subprocess.Process:
    """Start a tied child whose output goes to the file `output`, which is truncated first.

    Raises:
        EmbeddedServerError: Not on the main thread, or the program cannot be executed.
    """
    tied = tied_command(command, death_signal=death_signal, prefix=prefix)
    with output.open("wb") as sink:
        return await create(tied, stdout=sink, stderr=sink)


async def create(
    command: Sequence[str], *, stdout: IO[bytes] | int, stderr: IO[bytes] | int
) -> asyncio.subprocess.Process:
    """Start a child in a session of its own, so that Ctrl-C at the terminal does not reach it.

    When cancelled, waits for the fork under way, kills and reaps the child, and only then raises:
    asyncio itself can lose a child there.

    Raises:
        EmbeddedServerError: Not on the main thread, or the program cannot be executed.
    """
    if threading.current_thread() is not threading.main_thread():
        raise EmbeddedServerError("Embedded servers can only be started from the main thread.")
    forking = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=clean_env(),
            cwd="/",
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(forking)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            await end(await forking, ())
        raise
    except OSError as error:
        raise EmbeddedServerError(f"Cannot start {command[0]}: {error}.") from error


def clean_env() -> dict[str, str]:
    """Return an environment free of what would steer a server behind our back (PG*, locales)."""
    keep = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR")
    kept = {name: os.environ[name] for name in keep if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C", "TZ": "UTC"}


async def end(
    process: asyncio.subprocess.Process, signals: Sequence[tuple[signal.Signals, float]]
) -> int:
    """Send each signal and wait so many seconds after it, then SIGKILL; return the exit code.

    When cancelled, sends SIGKILL, reaps the child and only then raises.
    """
    try:
        for number, seconds in signals:
            if process.returncode is not None:
                return process.returncode
            send(process, number)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(process.wait(), seconds)
    finally:
        if process.returncode is None:
            send(process, signal.SIGKILL)
            await process.wait()
    return process.returncode if process.returncode is not None else await process.wait()


def send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal; a child that has ended already is left in peace."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
