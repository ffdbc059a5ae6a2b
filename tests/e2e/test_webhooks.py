"""Webhooks at a node as an operator runs it: over HTTP, through PostgreSQL, over a kill -9."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.node import NodeProcess
from tests.parts.postgres import PostgresServer

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PATH = "/api/webhooks/github"
MOST = 25 * 1024 * 1024
NOWHERE = "h1=unix:///nowhere/docker.sock"


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.create_database()
    yield name
    postgres_server.start()
    postgres_server.drop_database(name)


@pytest.fixture
def node(
    tmp_path: Path, postgres_server: PostgresServer, database: str, redis_url: str
) -> Iterator[NodeProcess]:
    env = {
        "DATABASE_URL": postgres_server.url(database),
        "REDIS_URL": redis_url,
        "RUNNERHUB_GITHUB_WEBHOOK_SECRETS": "new,old",
    }
    made = NodeProcess(tmp_path / "data", [NOWHERE], env=env)
    made.start()
    yield made
    made.close()


def headers(body: bytes, number: int = 1, key: str = "new") -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": "workflow_job",
        "X-GitHub-Delivery": f"guid-{number}",
        "X-Hub-Signature-256": "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest(),
    }


def payload(number: int, action: str = "queued") -> bytes:
    job = {"id": number, "status": action, "labels": ["self-hosted"], "steps": ["x" * 100] * 80}
    body = {"action": action, "workflow_job": job, "repository": {"full_name": "acme/web"}}
    return json.dumps(body).encode()


def send(node: NodeProcess, number: int, action: str = "queued", key: str = "new") -> int:
    body = payload(number, action)
    sent = httpx.post(node.url + PATH, content=body, headers=headers(body, number, key), timeout=15)
    return sent.status_code


HELD = "FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%' AND wait_event = 'PgSleep'"


class Ledger:
    def __init__(self, server: PostgresServer, database: str) -> None:
        self._server, self._database = server, database

    def count(self, sql: str) -> int:
        return int(self._server.execute(sql, self._database))

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Let nobody use a table for the block."""

        def hold() -> None:
            with suppress(RuntimeError):  # it is ended below
                self._server.execute(
                    f"BEGIN; LOCK TABLE {table}; SELECT pg_sleep(60)", self._database
                )

        holder = threading.Thread(target=hold)
        holder.start()
        while not self.count(f"SELECT count(*) {HELD}"):
            time.sleep(0.02)
        try:
            yield
        finally:
            self._server.execute(f"SELECT pg_terminate_backend(pid) {HELD}", self._database)
            holder.join()


def test_what_was_answered_is_worked_on_after_kill_9(
    node: NodeProcess, postgres_server: PostgresServer, database: str
) -> None:
    ledger = Ledger(postgres_server, database)
    with ledger.locked("github_jobs"):
        assert [send(node, number) for number in range(1, 21)] == [202] * 20
        node.kill9()
    assert ledger.count("SELECT count(*) FROM github_jobs") == 0
    assert ledger.count("SELECT count(*) FROM webhook_deliveries WHERE state = 'new'") == 20
    node.start()
    all_known = "SELECT count(*) FROM github_jobs WHERE status = 'queued'"
    node.until(lambda: ledger.count(all_known) == 20, 10.0, "all jobs are known")
    done = "SELECT count(*) FROM webhook_deliveries WHERE state = 'done'"
    node.until(lambda: ledger.count(done) == 20, 10.0, "all deliveries are done")
    assert send(node, 1, key="old") == 202
    assert send(node, 1, key="older") == 401
    assert ledger.count("SELECT count(*) FROM webhook_deliveries") == 20


def test_postgres_away_is_answered_and_costs_no_delivery(
    node: NodeProcess, postgres_server: PostgresServer, database: str
) -> None:
    ledger = Ledger(postgres_server, database)
    assert send(node, 1) == 202
    postgres_server.kill9()
    refused = httpx.post(
        node.url + PATH, content=payload(2), headers=headers(payload(2), 2), timeout=15
    )
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    postgres_server.start()
    node.until(lambda: send(node, 2) == 202, 30.0, "PostgreSQL is back")
    known = "SELECT count(*) FROM github_jobs"
    node.until(lambda: ledger.count(known) == 2, 20.0, "both jobs are known")


def memory_peak(node: NodeProcess) -> int:
    status = Path(f"/proc/{node.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def test_forged_bodies_cost_bounded_memory(node: NodeProcess) -> None:
    assert send(node, 1) == 202
    before = memory_peak(node)
    large = b'{"x":"' + b" " * (MOST - 8) + b'"}'
    forged = headers(b"another")

    def forge(_: int) -> Any:
        try:
            return httpx.post(
                node.url + PATH, content=large, headers=forged, timeout=30
            ).status_code
        except httpx.TransportError:
            return "cut"

    stop = threading.Event()
    codes: list[int] = []

    def deliver() -> None:
        number = 10
        while not stop.is_set():
            number += 1
            codes.append(send(node, number))

    honest = threading.Thread(target=deliver)
    honest.start()
    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(forge, range(24)))
    stop.set()
    honest.join()
    assert set(found) <= {401, 503, "cut"}
    assert found.count(401) >= 4
    assert set(codes) == {202}
    assert memory_peak(node) - before < 250


def test_one_byte_too_many_is_said(node: NodeProcess) -> None:
    large = b'{"x":"' + b" " * (MOST - 8) + b'"}'
    at_most = httpx.post(node.url + PATH, content=large, headers=headers(large), timeout=30)
    assert at_most.status_code == 202
    over = large + b" "
    refused = httpx.post(node.url + PATH, content=over, headers=headers(over), timeout=30)
    assert refused.status_code == 413
    assert "26214400" in refused.json()["detail"]
