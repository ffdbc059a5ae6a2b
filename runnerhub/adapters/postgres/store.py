"""The pool, and the one way a method of the ledger crosses to it.

Waits are bounded: five seconds for a connection, ten for a statement. A connection that the
server closed is replaced at its next use, so an outage of PostgreSQL needs no repair here.

A node that is frozen, or cut off, bounds nothing itself. What it had locked it holds up for the
others, a lease included: PostgreSQL commits a statement when its answer is on its way, and waits
while that fits into no buffer. So the server gives such a connection up.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import asyncpg

from runnerhub.adapters.postgres.migrate import migrate
from runnerhub.ports.errors import LedgerUnavailable, PortError
from runnerhub.runtime.bridge import Bridge
from runnerhub.runtime.cleanup import shielded

T = TypeVar("T")

ACQUIRE_SECONDS = 5.0
COMMAND_SECONDS = 10.0
SILENT_SECONDS = 15.0

# By the kernel, for nothing else interrupts an answer: over TCP, not on a socket of one machine.
_GIVE_UP = """
SET tcp_user_timeout = '{0}ms'; SET idle_in_transaction_session_timeout = '{0}ms'
"""

_UNAVAILABLE = (
    OSError,  # and with it every timeout
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,  # deadlock
    asyncpg.ReadOnlySQLTransactionError,
)


@contextlib.contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn foreign errors into the port's."""
    try:
        yield
    except _UNAVAILABLE as error:
        if isinstance(error, ValueError):  # asyncpg cannot even send it
            raise PortError(f"PostgreSQL cannot hold it: {error}") from error
        words = str(error) or type(error).__name__
        raise LedgerUnavailable(f"PostgreSQL does not answer: {words}") from error
    except asyncpg.PostgresError as error:
        raise PortError(f"PostgreSQL refuses: {error}") from error


class Store:
    """A pool of connections behind the bridge.

    Args:
        bridge: to the loop that the pool lives on.
        url: as libpq has it; a socket folder goes into `?host=`.
        connections: at most so many.
    """

    def __init__(self, bridge: Bridge, url: str, *, connections: int = 10) -> None:
        self._bridge = bridge
        self._url = url
        self._connections = connections
        self._pool: Any = None

    async def open(self) -> None:
        """Connect and migrate. It may be tried again after LedgerUnavailable."""
        await self._bridge.call(self._open)

    async def close(self) -> None:
        """Close the connections; harmless when repeated."""
        pool, self._pool = self._pool, None
        if pool is not None:
            with shielded(2 * ACQUIRE_SECONDS):
                await self._bridge.call(_close, pool)

    async def _open(self) -> None:
        if self._pool is not None:
            return
        pool = None
        with mapped_errors():
            try:
                pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,  # no idle floor, so no background task that retries and complains
                    max_size=self._connections,
                    timeout=ACQUIRE_SECONDS,
                    command_timeout=COMMAND_SECONDS,
                    server_settings={"application_name": "runnerhub"},
                    init=self._prepare,
                    reset=_as_it_is,
                )
                async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                    await migrate(connection)
            except BaseException:
                if pool is not None:
                    pool.terminate()
                raise
        self._pool = pool

    async def _prepare(self, connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        """Set up a new connection: what holds for it as long as it lives."""
        await connection.execute(_GIVE_UP.format(round(SILENT_SECONDS * 1000)))

    async def _run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Run a function of a connection on the other side, and return its result."""
        return await self._bridge.call(self._work, work)

    async def _fetch(self, sql: str, *args: object) -> list[Any]:
        """Run one statement, which is a transaction of its own."""

        async def work(connection: Any) -> list[Any]:  # noqa: ANN401 - asyncpg has no types
            rows: list[Any] = await connection.fetch(sql, *args)
            return rows

        return await self._run(work)

    async def _work(self, work: Callable[[Any], Awaitable[T]]) -> T:
        if self._pool is None:
            raise LedgerUnavailable("the ledger is not open")
        with mapped_errors():
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                return await work(connection)


async def _as_it_is(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
    """Leave a connection as it comes back: no statement here outlives its transaction.

    What asyncpg sends instead takes as long as a read.
    """


async def _close(pool: Any) -> None:  # noqa: ANN401 - asyncpg has no types
    try:
        await asyncio.wait_for(pool.close(), ACQUIRE_SECONDS)
    except BaseException as error:
        pool.terminate()
        if not isinstance(error, OSError | asyncpg.PostgresError | asyncpg.InterfaceError):
            raise
