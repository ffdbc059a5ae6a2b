"""A private PostgreSQL on a unix socket, durable as in production, with databases to throw away."""

import secrets
import signal
import subprocess
from pathlib import Path

from runnerhub.adapters.embedded import EmbeddedServersMissing, find_postgres
from runnerhub.adapters.embedded.child import clean_env
from runnerhub.adapters.embedded.identity import choose
from runnerhub.adapters.embedded.postgres import initdb_command, is_ready, server_command
from tests.parts.servers import Server

USER = "runnerhub"


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs: the wheel's, else the newest of Debian's."""
    try:
        return find_postgres()
    except EmbeddedServersMissing:
        installed = sorted(
            Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
        )
        return installed[-1] if installed else None


class PostgresServer(Server):
    """A PostgreSQL server of our own.

    `stop`, `kill9`, `pause`, `resume` and `start` play outages; `url(database)` stays the same.
    """

    stop_signal = signal.SIGINT

    def __init__(self) -> None:
        programs = find_programs()
        if programs is None:
            raise FileNotFoundError("no PostgreSQL (the extra `embedded`, or Debian: postgresql)")
        super().__init__()
        self._programs = programs
        self._home = self.folder / "pg"
        self._data = self._home / "data"
        identity = choose(self._home, programs / "postgres")
        self.prefix = identity.prefix
        identity.give(self._home)
        identity.give(self.folder / "run")
        self._run(*self.prefix, *initdb_command(programs, self._data), "--no-sync")

    def command(self) -> list[str]:
        """Return the server's command."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f"{self.folder}/run",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "timezone": "UTC",
        }
        return server_command(self._programs, self._data, settings)

    def answers(self) -> bool:
        """Tell whether it says that it is ready."""
        return is_ready(self._data, self.pid)

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database, for asyncpg and libpq."""
        return f"postgresql://{USER}@/{database}?host={self.folder}/run&port=5432"

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run a statement with psql, return its output as bare rows."""
        psql = [str(self._programs / "psql"), "--no-psqlrc", "--tuples-only", "--no-align"]
        where = ["--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", self.url(database)]
        return self._run(*psql, *where, "--command", statement).strip()

    def create_database(self, template: str = "template0") -> str:
        """Create a database with a name of its own, a copy of `template`; return the name."""
        name = f"t_{secrets.token_hex(6)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, and with it whoever is still connected."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=clean_env(), cwd="/"
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()}")
        return done.stdout
