"""The ledger, put together of its parts."""

import secrets
from typing import Any

from runnerhub.adapters.postgres.accepting import Accepting
from runnerhub.adapters.postgres.leases import Leases
from runnerhub.adapters.postgres.leasing import Leasing
from runnerhub.adapters.postgres.logs import Logs
from runnerhub.adapters.postgres.pruning import Pruning
from runnerhub.adapters.postgres.reading import Reading
from runnerhub.adapters.postgres.writing import Writing


class PostgresLedger(Accepting, Leasing, Writing, Reading, Leases, Logs, Pruning):
    """The ledger in PostgreSQL: `PostgresLedger(bridge, url)`, then `open`, at the end `close`."""

    async def _prepare(self, connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        await super()._prepare(connection)
        # Every join here is by key. A plan that was made while there were few jobs would read all
        # of them for each batch, until the next ANALYZE: a minute in which many may have come.
        await connection.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")

    async def cluster_id(self) -> str:
        """Return this ledger's cluster id, made at the first call."""
        rows = await self._fetch(
            "INSERT INTO cluster (id) VALUES ($1)"
            " ON CONFLICT (single) DO UPDATE SET id = cluster.id RETURNING id",
            secrets.token_hex(6),
        )
        return str(rows[0]["id"])
