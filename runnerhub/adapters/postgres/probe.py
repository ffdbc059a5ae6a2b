"""Look at a PostgreSQL without changing it."""

import asyncpg

from runnerhub.adapters.postgres.migrate import migrations
from runnerhub.adapters.postgres.store import ACQUIRE_SECONDS, COMMAND_SECONDS, mapped_errors
from runnerhub.runtime.bridge import Bridge


async def probe(bridge: Bridge, url: str) -> str:
    """Return, in words, its version and how far its schema is.

    Raises:
        LedgerUnavailable: it does not answer.
        PortError: it refuses.
    """
    return await bridge.call(_probe, url)


async def _probe(url: str) -> str:
    with mapped_errors():
        connection = await asyncpg.connect(
            url, timeout=ACQUIRE_SECONDS, command_timeout=COMMAND_SECONDS
        )
        try:
            version = await connection.fetchval("SHOW server_version")
            there = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
            sql = "SELECT max(version) FROM schema_migrations"
            number = await connection.fetchval(sql) if there else None
        finally:
            await connection.close(timeout=ACQUIRE_SECONDS)
    newest = max(migrations())
    schema = f"its schema is {number} of {newest}" if number else "it has no schema yet"
    if number is not None and number > newest:
        schema = f"its schema, {number}, is of a newer RunnerHub; this one knows {newest}"
    return f"PostgreSQL {version}; {schema}"
