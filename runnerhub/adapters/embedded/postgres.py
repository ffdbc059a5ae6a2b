"""The embedded PostgreSQL: the ledger of a system that is one process.

DATA/postgres/data    the cluster; made as data.new and renamed, so half a cluster never counts
DATA/postgres/log     what the server says: a file a day or per 10 MB, the newest eight are kept
DATA/run              its socket
"""

import asyncio
import contextlib
import shutil
import signal
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from urllib.parse import quote

from runnerhub.adapters.embedded import child, logs
from runnerhub.adapters.embedded.binaries import find_postgres
from runnerhub.adapters.embedded.errors import EmbeddedServerError
from runnerhub.adapters.embedded.identity import Identity, choose
from runnerhub.adapters.embedded.leftovers import end_leftovers
from runnerhub.adapters.embedded.server import EmbeddedServer
from runnerhub.adapters.embedded.sockets import socket_folder

USER = "runnerhub"
DATABASE = "postgres"

# Small, durable, and reachable through the socket alone.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "cluster_name": "runnerhub",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",
    # No replica is ever fed from here; the log then stays small and bounded.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "autovacuum_max_workers": "2",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgresql-%Y%m%d-%H%M%S.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "10MB",
}


def initdb_command(bin_dir: Path, data: Path) -> list[str]:
    """Return the command that makes a cluster for one user, trusted on the socket."""
    auth = ["--auth-local=trust", "--auth-host=reject"]
    where = ["--username", USER, "--pgdata", str(data)]
    return [str(bin_dir / "initdb"), *where, "--encoding=UTF8", "--locale=C", *auth]


def server_command(bin_dir: Path, data: Path, settings: dict[str, str]) -> list[str]:
    """Return the command that serves a cluster in the foreground."""
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(bin_dir / "postgres"), "-D", str(data), *options]


def is_ready(data: Path, pid: int) -> bool:
    """Tell whether the server with this pid says in its pid file that it takes connections."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004 - line 8 is the status


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL in `data_dir/postgres`."""

    name = "PostgreSQL"
    # Fast shutdown; immediate shutdown, which recovers at the next start.
    stop_signals = (signal.SIGINT, signal.SIGQUIT)

    def __init__(self, data_dir: Path) -> None:
        """Raise `EmbeddedServersMissing` where the wheel is not installed."""
        super().__init__(data_dir)
        self._bin = find_postgres()
        self._home = self.data_dir / "postgres"
        self._data = self._home / "data"
        self._log = self._home / "log"
        self._startup_log = self.data_dir / "postgres-startup.log"
        self._sockets = self.data_dir / "run"
        self._identity = Identity((), 0)

    async def prepare(self) -> None:
        """Choose as whom to run, make the cluster on first boot, clear what was left."""
        self._identity = choose(self._home, self._bin / "postgres")
        self._sockets = socket_folder(self.data_dir)
        for folder in (self._home, self._log, self._sockets):
            self._identity.give(folder)
        await end_leftovers(self._data, "postgres")
        self._forget_pid_files()
        if not (self._data / "PG_VERSION").exists():
            await self._initdb()

    def _forget_pid_files(self) -> None:
        """Remove files that name the pid of a server that is gone; pids come back after a boot."""
        stale = (".s.PGSQL.5432", ".s.PGSQL.5432.lock")
        for path in (self._data / "postmaster.pid", *(self._sockets / name for name in stale)):
            path.unlink(missing_ok=True)

    async def _initdb(self) -> None:
        draft = self._home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        # PostgreSQL is tied to us here too: a crash in the middle leaves no process.
        command = child.tied_command(
            initdb_command(self._bin, draft),
            death_signal=signal.SIGTERM,
            prefix=self._identity.prefix,
        )
        process = await child.create(command, stdout=PIPE, stderr=STDOUT)
        try:
            said, _ = await process.communicate()
        finally:
            await child.end(process, ())
        if process.returncode != 0:
            words = said.decode(errors="replace").strip()
            if "user does not exist" in words:
                words += "\nGive this uid a name in /etc/passwd, or set DATABASE_URL."
            raise EmbeddedServerError(f"PostgreSQL's initdb failed:\n{words}")
        draft.replace(self._data)

    async def spawn(self) -> asyncio.subprocess.Process:
        """Start the server, to be stopped in the fast way when this process dies."""
        where = {"unix_socket_directories": str(self._sockets), "log_directory": str(self._log)}
        return await child.spawn(
            server_command(self._bin, self._data, SETTINGS | where),
            death_signal=signal.SIGINT,
            output=self._startup_log,
            prefix=self._identity.prefix,
        )

    async def answers(self, pid: int) -> bool:
        """Tell whether it is ready, and the socket really accepts."""
        if not is_ready(self._data, pid):
            return False
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_unix_connection(self._sockets / ".s.PGSQL.5432")
            writer.close()
            return True
        return False

    def url(self) -> str:
        """Return the address, as asyncpg and libpq understand it."""
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self._sockets))}&port=5432"

    def keep_house(self) -> None:
        """Keep the newest log files."""
        logs.prune(self._log, "postgresql-*.log")

    def log_tail(self) -> str:
        """Return the last lines of the newest log and of what was said before there was one."""
        newest = sorted(self._log.glob("postgresql-*.log"))[-1:]
        return logs.tail([*newest, self._startup_log])
