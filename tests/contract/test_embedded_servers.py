"""The embedded servers start, answer, survive kills without loss, and never outlive us."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from runnerhub.adapters.embedded import (
    EmbeddedPostgres,
    EmbeddedServerError,
    EmbeddedServersMissing,
    EmbeddedValkey,
    find_postgres,
    find_valkey,
    identity,
)
from runnerhub.adapters.embedded.leftovers import processes_in
from runnerhub.adapters.embedded.server import EmbeddedServer
from tests.parts import require

pytestmark = pytest.mark.real

ORDINARY_UID = 65534

PARENT = """
import asyncio, sys, pathlib
from runnerhub.adapters.embedded import EmbeddedPostgres, EmbeddedValkey
async def main():
    servers = [kind(pathlib.Path(sys.argv[1])) for kind in (EmbeddedPostgres, EmbeddedValkey)]
    for server in servers:
        print((await server.start()).pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _wheels() -> None:
    try:
        find_postgres()
        find_valkey()
    except EmbeddedServersMissing as error:
        require("embedded servers", str(error))


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # A short path, reachable by an ordinary user, unlike pytest's own.
    made = Path(tempfile.mkdtemp(prefix="rh-t-"))
    yield made
    shutil.rmtree(made)


async def ask_postgres(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def ask_valkey(url: str, *command: str) -> object:
    client = redis.asyncio.Redis.from_url(url, decode_responses=True)
    try:
        return await client.execute_command(*command)  # type: ignore[no-untyped-call]
    finally:
        await client.aclose()


def gone(pids: list[int], within: float = 5.0) -> bool:
    give_up_at = time.monotonic() + within
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.02)
    return True


def test_postgres_keeps_what_was_committed_through_kill_and_stop(data_dir: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedPostgres(data_dir)
        running = await server.start()
        await ask_postgres(running.url, "CREATE TABLE t AS SELECT 41 + 1 AS n")
        os.kill(running.pid, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
        running = await server.start()
        assert await ask_postgres(running.url, "SELECT n FROM t") == 42
        assert await ask_postgres(running.url, "SHOW synchronous_commit") == "on"
        assert await ask_postgres(running.url, "SHOW listen_addresses") == ""
        assert await server.stop() == 0
        assert await server.stop() == 0
        assert not processes_in(data_dir / "postgres" / "data", "postgres")

    asyncio.run(scenario())
    assert (data_dir / "postgres").stat().st_mode & 0o777 == 0o700


def test_where_namespaces_are_closed_postgres_runs_as_an_unprivileged_user(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has to become somebody else")
    if not reaches_python(ORDINARY_UID):
        pytest.skip(f"uid {ORDINARY_UID} cannot reach {sys.executable}")

    async def scenario() -> None:
        server = EmbeddedPostgres(data_dir)
        with monkeypatch.context() as closed:
            closed.setattr(identity, "_NAMESPACE", ("false",))
            running = await server.start()
        assert await ask_postgres(running.url, "SELECT 1") == 1
        assert Path(f"/proc/{running.pid}").stat().st_uid == ORDINARY_UID
        await server.stop()
        running = await server.start()  # the owner of the files decides, not what is possible now
        assert Path(f"/proc/{running.pid}").stat().st_uid == ORDINARY_UID
        await server.stop()

    asyncio.run(scenario())


def test_valkey_keeps_its_queue_through_kill_and_stop(data_dir: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedValkey(data_dir)
        running = await server.start()
        await ask_valkey(running.url, "SET", "key", "value")
        await asyncio.sleep(1.1)  # appendfsync everysec
        os.kill(running.pid, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
        running = await server.start()
        assert await ask_valkey(running.url, "GET", "key") == "value"
        policy = await ask_valkey(running.url, "CONFIG", "GET", "maxmemory-policy")
        assert "noeviction" in str(policy)
        assert await server.stop() == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("ordinary", [False, True], ids=["as-we-are", "ordinary-user"])
def test_kill_minus_nine_of_the_parent_leaves_no_server(data_dir: Path, *, ordinary: bool) -> None:
    prefix: list[str] = []
    if ordinary:
        if os.geteuid() != 0:
            pytest.skip("we are an ordinary user already")
        if not reaches_python(ORDINARY_UID):
            pytest.skip(f"uid {ORDINARY_UID} cannot reach {sys.executable}")
        os.chown(data_dir, ORDINARY_UID, ORDINARY_UID)
        prefix = drop(ORDINARY_UID)
    pids: list[int] = []
    for _ in range(2):  # the second life finds what the first one left
        with subprocess.Popen(
            [*prefix, sys.executable, "-c", PARENT, str(data_dir)],
            stdout=subprocess.PIPE,
            text=True,
        ) as parent:
            assert parent.stdout is not None
            pids = [int(parent.stdout.readline()) for _ in range(2)]
            parent.kill()
        assert gone(pids)
    for folder, program in (("postgres/data", "postgres"), ("valkey", "valkey-server")):
        time.sleep(0.2)
        assert not processes_in(data_dir / folder, program)


def reaches_python(uid: int) -> bool:
    probe = [*drop(uid), sys.executable, "-c", "import asyncpg, runnerhub"]
    return subprocess.run(probe, check=False, capture_output=True, cwd="/").returncode == 0


def drop(uid: int) -> list[str]:
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
def test_a_deep_data_folder_gets_a_short_socket_path_that_is_kept(
    data_dir: Path, kind: Callable[[Path], EmbeddedServer]
) -> None:
    deep = data_dir / ("d" * 100)
    deep.mkdir(mode=0o700)

    async def scenario() -> tuple[str, str]:
        server = kind(deep)
        first = await server.start()
        await server.stop()
        second = await server.start()
        await server.stop()
        return first.url, second.url

    first, second = asyncio.run(scenario())
    kept = Path((deep / "run-dir").read_text().strip())
    assert first == second
    assert kept.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(kept)


def test_stale_pid_files_that_name_a_stranger_do_not_hinder(data_dir: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedPostgres(data_dir)
        await server.start()
        await server.stop()
        # After a reboot our own pid may be the one that the files name.
        stranger = f"{os.getpid()}\n{data_dir}/postgres/data\n1\n5432\n\n\n\nready\n"
        (data_dir / "postgres" / "data" / "postmaster.pid").write_text(stranger)
        (data_dir / "run" / ".s.PGSQL.5432.lock").write_text(stranger)
        running = await server.start()
        assert await ask_postgres(running.url, "SELECT 1") == 1
        await server.stop()

    asyncio.run(scenario())


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedPostgres(data_dir)
        await server.start()
        await server.stop()
        (data_dir / "postgres" / "data" / "PG_VERSION").write_text("9.6\n")
        with pytest.raises(EmbeddedServerError, match="not compatible with this version"):
            await server.start()

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
def test_cancelling_a_start_leaves_no_process(
    data_dir: Path, kind: Callable[[Path], EmbeddedServer]
) -> None:
    async def scenario() -> None:
        for delay in (0.0, 0.01, 0.05, 0.1, 0.3, 0.8):
            server = kind(data_dir)
            task = asyncio.create_task(server.start())
            await asyncio.sleep(delay)
            if not task.done():
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                await server.stop()

    asyncio.run(scenario())
    for folder, program in (("postgres/data", "postgres"), ("valkey", "valkey-server")):
        time.sleep(0.3)
        assert not processes_in(data_dir / folder, program)
