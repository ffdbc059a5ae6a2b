"""Bring the schema up to date: numbered files, each applied once, whoever starts at once."""

from importlib.resources import files
from typing import Any

_LOCK = 0x52756E48  # "RunH"
_TIMEOUT_SECONDS = 120.0


def migrations() -> dict[int, str]:
    """Return the migrations, by number."""
    folder = files("runnerhub.adapters.postgres") / "migrations"
    found = (file for file in folder.iterdir() if file.name.endswith(".sql"))
    return {int(file.name.partition("_")[0]): file.read_text("utf-8") for file in found}


async def migrate(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
    """Apply what is missing, in one transaction, under a lock that lasts as long."""

    async def run(sql: str, *args: object) -> None:
        await connection.execute(sql, *args, timeout=_TIMEOUT_SECONDS)

    async with connection.transaction():
        await run("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await run(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            " version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {row["version"] for row in await connection.fetch("SELECT * FROM schema_migrations")}
        for version, sql in sorted(migrations().items()):
            if version not in done:
                await run(sql)
                await run("INSERT INTO schema_migrations (version) VALUES ($1)", version)
