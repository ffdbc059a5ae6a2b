"""What a node held when it froze is free again before long, so that another takes its hosts."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from runnerhub.adapters.embedded.postgres import server_command
from runnerhub.adapters.postgres import PostgresLedger, stepping, store
from runnerhub.model.job import Phase
from tests.contract.harness import run_real_ledger
from tests.contract.test_ledger_batches import many_leased
from tests.parts.postgres import USER, PostgresServer

Work = Callable[[Any], Awaitable[object]]

pytestmark = pytest.mark.real


class OverTcp(PostgresServer):
    """One that other machines could reach."""

    def __init__(self) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = found.getsockname()[1]
        super().__init__()
        trusted = "local all all trust\nhost all all 127.0.0.1/32 trust\n"
        (self._data / "pg_hba.conf").write_text(trusted)

    def command(self) -> list[str]:
        settings = {"listen_addresses": "127.0.0.1", "port": str(self._port)}
        where = {"unix_socket_directories": f"{self.folder}/run"}
        return server_command(self._programs, self._data, settings | where)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self._port}/{database}"


@pytest.fixture
def over_tcp(_session_postgres: PostgresServer) -> Iterator[PostgresServer]:
    with OverTcp() as server:
        yield server


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SILENT_SECONDS", 0.5)


@asynccontextmanager
async def at_work(ledger: PostgresLedger, work: Work) -> AsyncIterator[None]:
    """Let a function of a connection go on beside, until the block is left."""
    task = ledger._bridge.start_task(ledger._work(work))
    try:
        yield
    finally:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        await ledger._bridge.end_task(task)


async def is_taken_over(ledger: PostgresLedger) -> bool:
    await ledger._fetch("UPDATE leases SET expires_at = now() - interval '1 s'")
    with trio.fail_after(8):
        return await ledger.acquire_lease("host:h", "n2", 30) is not None


def test_a_transaction_that_is_left_open(fresh_database: str) -> None:
    async def left_open(connection: Any) -> None:
        async with connection.transaction():
            await connection.execute("SELECT FROM leases FOR KEY SHARE")
            await asyncio.sleep(30)

    async def case(ledger: PostgresLedger) -> None:
        await many_leased(ledger, 1)
        async with at_work(ledger, left_open):
            assert await is_taken_over(ledger)

    run_real_ledger(case, fresh_database)


def test_an_answer_that_nobody_reads(over_tcp: PostgresServer) -> None:
    async def case(ledger: PostgresLedger) -> None:
        jobs, fence = await many_leased(ledger, 256)
        await ledger._fetch(LARGE)
        steps = [
            stepping.Step(job.id, fence, 1, [Phase.LEASED], Phase.PROVISIONING, "provisioning")
            for job in jobs
        ]
        begun = trio.Event()

        async def unread(connection: Any) -> None:
            await stepping.take(connection, [])
            connection._transport.pause_reading()
            asyncio.get_running_loop().call_later(0.2, begun.set)
            try:
                await stepping.take(connection, steps)
            finally:
                connection._transport.resume_reading()

        async with at_work(ledger, unread):
            await begun.wait()
            assert await is_taken_over(ledger)

    run_real_ledger(case, over_tcp.url(over_tcp.create_database()))


# What TCP of this machine itself keeps is more than a network does.
LARGE = """
UPDATE jobs
SET spec = jsonb_set(spec, '{execution,env}', jsonb_build_object('A', repeat('x', 32000)))
"""
