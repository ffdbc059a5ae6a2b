"""Every part starts, is broken and repaired, stops, and leaves no process, mount or folder."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.parts import dockerd, postgres, redis, require
from tests.parts.dockerd import Dockerd
from tests.parts.images import BUSYBOX
from tests.parts.network import Namespace
from tests.parts.postgres import PostgresServer
from tests.parts.processes import alive, mounts_below, wait_until, with_argument
from tests.parts.redis import RedisServer

pytestmark = pytest.mark.real


def run_container(engine: Dockerd, name: str, *command: str) -> str:
    with engine.client() as client:
        made = client.post(
            f"/containers/create?name={name}", json={"Image": BUSYBOX, "Cmd": list(command)}
        )
        container = str(made.raise_for_status().json()["Id"])
        client.post(f"/containers/{container}/start").raise_for_status()
    return container


def state(engine: Dockerd, container: str) -> str:
    return str(engine.get(f"/containers/{container}/json")["State"]["Status"])


def nothing_left(folder: Path) -> bool:
    return not (with_argument(f"{folder}/") or mounts_below(folder) or folder.exists())


def test_containers_run_on_when_a_live_restore_engine_is_killed(
    new_dockerd: Callable[..., Dockerd],
) -> None:
    engine = new_dockerd(live_restore=True)
    container = run_container(engine, "survivor", "sleep", "1000")
    pid = engine.get(f"/containers/{container}/json")["State"]["Pid"]
    engine.kill9()
    assert not engine.answers()
    assert alive(pid)
    engine.start()
    assert state(engine, container) == "running"
    engine.kill9()  # the worst moment to close: containers run, nobody answers
    engine.close()
    assert not alive(pid)
    assert nothing_left(engine.folder)


def test_a_tcp_engine_wants_a_client_certificate(new_dockerd: Callable[..., Dockerd]) -> None:
    engine = new_dockerd(tcp=True)
    assert engine.network is not None
    assert engine.certificates is not None
    ping = engine.url.replace("tcp://", "https://") + "/_ping"
    assert httpx.get(ping, verify=engine.tls_context()).text == "OK"
    stranger = ssl.create_default_context(cafile=str(engine.certificates.ca))
    with pytest.raises(httpx.TransportError):
        httpx.get(ping, verify=stranger)
    engine.network.unplug()
    with pytest.raises(httpx.TransportError):
        httpx.get(ping, verify=engine.tls_context(), timeout=0.5)
    engine.network.plug()
    assert httpx.get(ping, verify=engine.tls_context()).text == "OK"


def test_btrfs_enforces_a_disk_size(new_dockerd: Callable[..., Dockerd]) -> None:
    engine = new_dockerd(storage_driver="btrfs")
    with engine.client() as client:
        body = {
            "Image": BUSYBOX,
            "Cmd": ["dd", "if=/dev/zero", "of=/big", "bs=1M", "count=64"],
            "HostConfig": {"StorageOpt": {"size": "20M"}},
        }
        made = client.post("/containers/create?name=full", json=body)
        container = made.raise_for_status().json()["Id"]
        client.post(f"/containers/{container}/start").raise_for_status()
        ended = client.post(f"/containers/{container}/wait").json()
    assert ended["StatusCode"] != 0


def test_engines_side_by_side_do_not_touch_each_other(
    docker_engine: Dockerd, new_dockerd: Callable[..., Dockerd]
) -> None:
    container = run_container(docker_engine, "neighbour", "sleep", "1000")
    other = new_dockerd()
    run_container(other, "other", "sleep", "1000")
    assert len(other.container_ids()) == 1
    other.close()
    assert nothing_left(other.folder)
    assert state(docker_engine, container) == "running"
    assert docker_engine.leftovers() == {"containers": [container]}


def test_the_shared_engine_is_empty_for_every_test(docker_engine: Dockerd) -> None:
    assert docker_engine.leftovers() == {}
    docker_engine.kill9()  # and the next test finds it running


def test_the_shared_engine_is_repaired(docker_engine: Dockerd) -> None:
    assert docker_engine.answers()
    assert docker_engine.import_busybox() == BUSYBOX


@pytest.mark.parametrize("kind", [PostgresServer, RedisServer])
def test_a_server_is_killed_frozen_restarted_and_leaves_nothing(
    kind: type[PostgresServer] | type[RedisServer],
) -> None:
    if (postgres.find_programs() if kind is PostgresServer else redis.find_program()) is None:
        require(kind.__name__, "not installed")
    with kind() as server:
        first = server.pid
        server.kill9()
        assert not server.running
        server.start()
        assert server.pid != first
        server.pause()
        server.resume()
        server.stop()
        server.start()
        assert server.answers()
    assert nothing_left(server.folder)


def test_databases_are_copies_to_throw_away(postgres_server: PostgresServer) -> None:
    model = postgres_server.create_database()
    postgres_server.execute("CREATE TABLE t AS SELECT 1 AS n", model)
    copy = postgres_server.create_database(template=model)
    assert postgres_server.execute("SELECT n FROM t", copy) == "1"
    assert postgres_server.execute("SHOW fsync") == "on"
    postgres_server.drop_database(copy)
    postgres_server.drop_database(model)
    postgres_server.stop()  # and the next test finds it running


def test_a_fresh_database_is_empty(fresh_database: str, postgres_server: PostgresServer) -> None:
    name = fresh_database.removeprefix("postgresql://runnerhub@/").partition("?")[0]
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert postgres_server.execute(tables, name) == "0"


@pytest.mark.parametrize("_time", [1, 2])
def test_redis_is_empty_for_every_test(redis_server: RedisServer, _time: int) -> None:
    assert redis_server.execute("DBSIZE") == ":0"
    redis_server.execute("SET key value")
    redis_server.kill9()


def test_a_namespace_and_its_cable_go_away() -> None:
    if os.geteuid() != 0:
        require("network namespaces", "need root")
    namespace = Namespace(cable=True)
    assert Path(f"/run/netns/{namespace.name}").exists()
    with pytest.raises(ConnectionRefusedError):  # reached, and nobody listens
        socket.create_connection((str(namespace.address), 9), timeout=2.0)
    namespace.close()
    links = subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True).stdout
    assert namespace.name.replace("rh-t-", "rht") not in links
    assert not Path(f"/run/netns/{namespace.name}").exists()


DIES = """
import sys, time
from tests.parts.dockerd import Dockerd
from tests.parts.postgres import PostgresServer
from tests.parts.redis import RedisServer
parts = [PostgresServer().start(), RedisServer().start(), Dockerd().start()]
print(*[part.folder for part in parts], *[part.pid for part in parts[:2]], flush=True)
print(parts[2].network.name, flush=True)
time.sleep(60)
"""


def test_parts_end_with_a_test_run_that_was_killed() -> None:
    if dockerd.missing():
        require("Docker Engine", str(dockerd.missing()))
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", DIES], stdout=subprocess.PIPE, text=True, cwd=root
    ) as run:
        assert run.stdout is not None
        words = run.stdout.readline().split()
        namespace = run.stdout.readline().strip()
        run.kill()
    folders = [Path(word) for word in words[:3]]
    wait_until(
        lambda: not any(with_argument(f"{folder}/") for folder in folders), 15.0, "all have ended"
    )
    time.sleep(0.1)
    for folder in folders:
        for point in mounts_below(folder):
            subprocess.run(["umount", "--lazy", str(point)], check=True)
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    subprocess.run(["ip", "netns", "del", namespace], check=True)
