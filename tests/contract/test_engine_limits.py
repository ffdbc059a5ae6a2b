"""Limits and walls of a sandbox, enforced by a real engine."""

from collections.abc import Callable

import pytest

from runnerhub.ports.engine import ContainerSpec, ContainerState, Engine
from runnerhub.ports.errors import EngineRefused
from tests.contract.test_engine import LABEL, network, on_real, shell, started, text, whole_log
from tests.parts.dockerd import Dockerd
from tests.parts.images import BUSYBOX

pytestmark = pytest.mark.real


async def outcome(engine: Engine, spec: ContainerSpec) -> tuple[str, ContainerState]:
    """Run a container to its end; return what it said and how it ended."""
    name = await started(engine, spec)
    log = await whole_log(engine, name)
    state = await engine.inspect_container(name)
    assert state is not None
    return (text(log) + text(log, "stderr")).decode(), state


def test_memory_has_a_limit_and_no_swap(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        spec = shell("head -c 200000000 /dev/zero | tail >/dev/null", memory_mb=32)
        async with engine.events(LABEL) as events:
            _, state = await outcome(engine, spec)
            actions: set[str] = set()
            while not {"oom", "die"} <= actions:  # the limit may be hit more than once
                actions.add((await events.receive()).action)
        assert state.out_of_memory

    on_real(case, docker_engine)
    (container,) = docker_engine.container_ids()
    config = docker_engine.get(f"/containers/{container}/json")["HostConfig"]
    assert config["Memory"] == config["MemorySwap"] == 32 << 20


def test_processes_have_a_limit(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 3 & done; wait; echo all"
        said, _ = await outcome(engine, shell(script, pids=6))
        assert "can't fork" in said

    on_real(case, docker_engine)


def test_tmp_has_a_size_and_can_hold_programs(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        script = (
            "cp /bin/busybox /tmp/echo && /tmp/echo works; "
            "dd if=/dev/zero of=/tmp/big bs=1M count=16 2>&1; wc -c </tmp/big"
        )
        said, _ = await outcome(engine, shell(script, tmpfs_mb=8))
        assert "works" in said
        assert "No space left on device" in said
        assert int(said.split()[-1]) < 8 << 20

    on_real(case, docker_engine)


def test_cpus_have_a_limit(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_container(shell("exit 0", cpus=0.5))
        with pytest.raises(EngineRefused, match="CPUs"):
            await engine.create_container(shell("exit 0", "rh-two", cpus=10_000))

    on_real(case, docker_engine)
    (container,) = docker_engine.container_ids()
    assert docker_engine.get(f"/containers/{container}/json")["HostConfig"]["NanoCpus"] == 5 * 10**8


def test_no_capability_and_no_new_privilege(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        script = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status; chown 1 /etc/passwd"
        said, state = await outcome(engine, shell(script))
        values = dict(line.split(":\t") for line in said.splitlines() if ":\t" in line)
        assert values.pop("NoNewPrivs") == "1"
        assert len(values) == 5
        assert set(values.values()) == {"0" * 16}
        assert "Operation not permitted" in said
        assert state.exit_code == 1
        said, _ = await outcome(engine, shell(script, "rh-two", cap_add=("CHOWN",)))
        assert "CapEff:\t0000000000000001" in said
        assert "not permitted" not in said

    on_real(case, docker_engine)


def test_a_root_file_system_can_be_read_only_and_the_user_chosen(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        spec = shell("id -u; echo x >/tmp/x && echo yes; echo x >/x", tmpfs_mb=4, read_only=True)
        said, _ = await outcome(engine, spec)
        assert said.startswith("0\nyes\n")
        assert "Read-only file system" in said
        said, _ = await outcome(engine, shell("id -u", "rh-two", user="65534"))
        assert said == "65534\n"

    on_real(case, docker_engine)


def test_a_disk_size_is_refused_where_it_cannot_be_kept(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        if not (await engine.info()).disk_limits:
            with pytest.raises(EngineRefused):
                await engine.create_container(shell("exit 0", disk_mb=20))

    on_real(case, docker_engine)


def test_a_disk_size_is_kept_where_it_can_be(new_dockerd: Callable[..., Dockerd]) -> None:
    async def case(engine: Engine) -> None:
        assert (await engine.info()).disk_limits
        script = "dd if=/dev/zero of=/big bs=1M count=64 2>&1 && sync; wc -c </big"
        said, _ = await outcome(engine, shell(script, disk_mb=20))
        assert int(said.split()[-1]) < 20 << 20

    on_real(case, new_dockerd(storage_driver="btrfs"))


def test_a_log_keeps_to_its_size(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        said, _ = await outcome(engine, shell("seq 400000", log_max_mb=1))
        assert said.endswith("400000\n")

    on_real(case, docker_engine)
    logs = list(docker_engine.folder.glob("data/containers/*/*-json.log*"))
    assert len(logs) == 2
    assert sum(log.stat().st_size for log in logs) < 2_500_000


def test_a_service_is_reached_by_its_name(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_network(network())
        serve = "while true; do echo hello | nc -l -p 8000; done"
        await started(engine, shell(serve, "rh-db", network="rh-net", aliases=("db",)))
        ask = "for i in $(seq 30); do nc db 8000 </dev/null && exit; usleep 100000; done; exit 1"
        said, _ = await outcome(engine, shell(ask, network="rh-net"))
        assert "hello" in said

    on_real(case, docker_engine)


def test_isolated_sandboxes_reach_neither_each_other_nor_the_host(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        first, second = network("rh-aa"), network("rh-bb")
        await engine.create_network(first)
        await engine.create_network(second)
        serve = "while true; do echo hello | nc -l -p 8000; done"
        await started(engine, shell(serve, "rh-server", network="rh-aa"))
        base = first.subnet.rpartition(".")[0]
        other = second.subnet.rpartition(".")[0]
        tries = (
            f"nc -w 1 {base}.2 8000 </dev/null && echo REACHED-OTHER; "
            f"ping -c 1 -W 1 {base}.2 && echo REACHED-PING; "
            f"ping -c 1 -W 1 {other}.1 && echo REACHED-GATEWAY; "
            f"ping -c 1 -W 1 {base}.1 && echo REACHED-OTHER-GATEWAY; "
            "ip route; ip -o addr show eth0; ping -c 1 -W 1 8.8.8.8 && echo REACHED-OUTSIDE; true"
        )
        # With the capability to ping, so that the walls are tried and not the lack of it.
        said, _ = await outcome(engine, shell(tries, network="rh-bb", cap_add=("NET_RAW",)))
        assert "REACHED" not in said
        assert "root?" not in said
        assert f"{other}.2/28" in said
        # The same way works for a member, so the wall, not the test, is what holds.
        inside = f"nc -w 1 {base}.2 8000 </dev/null && ping -c 1 -W 1 {base}.2 && echo REACHED"
        member = shell(inside, "rh-three", network="rh-aa", cap_add=("NET_RAW",))
        said, _ = await outcome(engine, member)
        assert "REACHED" in said

    on_real(case, docker_engine)


def test_no_network_is_loopback_only(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        said, _ = await outcome(engine, shell("ls /sys/class/net"))
        assert said.split() == ["lo"]

    on_real(case, docker_engine)


def test_nothing_of_the_host_is_mounted(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_container(ContainerSpec("rh-one", BUSYBOX, {LABEL: "1"}))

    on_real(case, docker_engine)
    (container,) = docker_engine.container_ids()
    state = docker_engine.get(f"/containers/{container}/json")
    assert state["Mounts"] == []
    assert not state["HostConfig"]["Privileged"]
    assert not state["HostConfig"]["Binds"]
