"""The embedded Valkey, which speaks Redis: the fast index of a system that is one process.

    DATA/valkey           its append-only file, and valkey.log with one older part
    DATA/run/valkey.sock  its socket

All of it can be rebuilt from the ledger; it is kept so that a restart need not.
"""

import asyncio
import contextlib
import signal
from pathlib import Path
from urllib.parse import quote

from runnerhub.adapters.embedded import child, logs
from runnerhub.adapters.embedded.binaries import find_valkey
from runnerhub.adapters.embedded.leftovers import end_leftovers
from runnerhub.adapters.embedded.server import EmbeddedServer
from runnerhub.adapters.embedded.sockets import socket_folder

# A queue must refuse when it is full, never forget: hence noeviction.
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "databases": "16",
    "loglevel": "notice",
}


def server_command(program: Path, settings: dict[str, str]) -> list[str]:
    """Return the command that serves in the foreground."""
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    return [str(program), *options]


class EmbeddedValkey(EmbeddedServer):
    """Valkey in `data_dir/valkey`."""

    name = "Valkey"
    stop_signals = (signal.SIGTERM,)

    def __init__(self, data_dir: Path) -> None:
        """Raise `EmbeddedServersMissing` where the wheel is not installed."""
        super().__init__(data_dir)
        self._program = find_valkey()
        self._home = self.data_dir / "valkey"
        self._log = self._home / "valkey.log"
        self._startup_log = self._home / "startup.log"
        self._socket = self.data_dir / "run" / "valkey.sock"

    async def prepare(self) -> None:
        """Make the folder and wait for an earlier life's server; it replaces a stale socket."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        self._socket = socket_folder(self.data_dir) / "valkey.sock"
        await end_leftovers(self._home, "valkey-server")
        self._socket.unlink(missing_ok=True)
        self.keep_house()

    async def spawn(self) -> asyncio.subprocess.Process:
        """Start the server, to be ended when this process dies."""
        where = {
            "dir": str(self._home),
            "logfile": str(self._log),
            "unixsocket": str(self._socket),
        }
        return await child.spawn(
            server_command(self._program, SETTINGS | where),
            death_signal=signal.SIGTERM,
            output=self._startup_log,
        )

    async def answers(self, pid: int) -> bool:
        """Tell whether it answers PING; while it loads its file it answers with an error."""
        del pid  # the socket was unlinked before the start: whoever answers is ours
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(self._socket)
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
        return False

    def url(self) -> str:
        """Return the address, as redis-py understands it."""
        return f"unix://{quote(str(self._socket))}?db=0"

    def keep_house(self) -> None:
        """Move a long log aside; the server opens it anew for each line."""
        logs.rotate(self._log)

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        return logs.tail([self._log, self._startup_log])
