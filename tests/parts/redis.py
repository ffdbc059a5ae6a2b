"""A private Redis (Valkey from the wheel, else Debian's redis-server) on a unix socket."""

import contextlib
import shutil
import signal
import socket
from pathlib import Path

from runnerhub.adapters.embedded import EmbeddedServersMissing, find_valkey
from tests.parts.servers import Server


def find_program() -> Path | None:
    """Return the server's program."""
    try:
        return find_valkey()
    except EmbeddedServersMissing:
        installed = shutil.which("valkey-server") or shutil.which("redis-server")
        return Path(installed) if installed else None


class RedisServer(Server):
    """A Redis server of our own.

    Args:
        persistent: Keep an append-only file, so that `kill9` and `start` lose at most a second.
    """

    stop_signal = signal.SIGTERM

    def __init__(self, *, persistent: bool = True) -> None:
        program = find_program()
        if program is None:
            raise FileNotFoundError("no Redis (the extra `embedded`, or Debian: redis-server)")
        super().__init__()
        self._program = program
        self._persistent = persistent
        self._socket = self.folder / "redis.sock"

    def command(self) -> list[str]:
        """Return the server's command."""
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes" if self._persistent else "no",
            "maxmemory-policy": "noeviction",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return [str(self._program), *options]

    def answers(self) -> bool:
        """Tell whether it answers PING."""
        with contextlib.suppress(OSError):
            return self.execute("PING") == "+PONG"
        return False

    def url(self, database: int = 0) -> str:
        """Return the address, for redis-py."""
        return f"unix://{self._socket}?db={database}"

    def execute(self, command: str) -> str:
        """Send one inline command, return the first line of the answer as it stands."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5.0)
            connection.connect(str(self._socket))
            connection.sendall(command.encode() + b"\r\n")
            return connection.makefile("rb").readline().decode().strip()

    def flush(self) -> None:
        """Forget everything."""
        self.execute("FLUSHALL")
