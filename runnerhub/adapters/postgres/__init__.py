"""The ledger in PostgreSQL, by asyncpg."""

from runnerhub.adapters.postgres.ledger import PostgresLedger

__all__ = ["PostgresLedger"]
