"""The host guard, in a real engine's own network namespace."""

import subprocess
from collections.abc import Callable

import pytest

from runnerhub.adapters.docker import guard
from runnerhub.ports.engine import Engine
from tests.contract.test_engine import network, on_real, shell, started, text, whole_log
from tests.parts.dockerd import Dockerd

pytestmark = pytest.mark.real


def rules(prefix: list[str]) -> str:
    command = [*prefix, "iptables", "-S"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_guard_keeps_the_host_off_and_the_outside_open(
    new_dockerd: Callable[..., Dockerd],
) -> None:
    part = new_dockerd(cable=True)
    assert part.network is not None
    prefix, outside = part.network.prefix, part.network.outside
    spec = network("rh-out", internal=False)
    gateway = spec.subnet.replace(".0/28", ".1")
    tries = (
        f"ping -c 1 -W 1 {gateway} >/dev/null && echo HOST; "
        f"ping -c 1 -W 1 {part.network.address} >/dev/null && echo CABLE; "
        f"ping -c 1 -W 2 {outside} >/dev/null && echo OUTSIDE; "
        "ping -c 1 -W 2 service >/dev/null && echo SERVICE; true"
    )

    async def reached(engine: Engine) -> set[str]:
        name = await started(engine, shell(tries, network="rh-out", cap_add=("NET_RAW",)))
        said = text(await whole_log(engine, name)).decode()
        await engine.remove_container(name)
        return set(said.split())

    async def case(engine: Engine) -> None:
        await engine.create_network(spec)
        await started(engine, shell("sleep 100", "rh-svc", network="rh-out", aliases=("service",)))
        assert not guard.check(prefix)
        assert await reached(engine) == {"HOST", "CABLE", "OUTSIDE", "SERVICE"}
        guard.install(prefix)
        assert guard.check(prefix)
        assert await reached(engine) == {"OUTSIDE", "SERVICE"}
        once = rules(prefix)
        guard.install(prefix)
        assert rules(prefix) == once
        guard.remove(prefix)
        guard.remove(prefix)
        assert not guard.check(prefix)
        assert "RUNNERHUB" not in rules(prefix)
        assert await reached(engine) == {"HOST", "CABLE", "OUTSIDE", "SERVICE"}

    on_real(case, part)


def test_a_guard_that_somebody_bent_is_noticed(docker_engine: Dockerd) -> None:
    assert docker_engine.network is not None
    prefix = docker_engine.network.prefix
    guard.install(prefix)
    try:
        for bend in (
            ["-I", "INPUT", "1", "-j", "ACCEPT"],
            ["-I", "RUNNERHUB-HOST", "1", "-j", "ACCEPT"],
            ["-D", "RUNNERHUB-HOST", "2"],
            ["-D", "DOCKER-USER", "1"],
        ):
            subprocess.run([*prefix, "iptables", "-w", *bend], check=True)
            assert not guard.check(prefix)
            guard.install(prefix)
            assert guard.check(prefix)
    finally:
        guard.remove(prefix)
        subprocess.run([*prefix, "iptables", "-w", "-D", "INPUT", "-j", "ACCEPT"], check=True)


def test_the_commands_for_a_person_do_the_same(docker_engine: Dockerd) -> None:
    assert docker_engine.network is not None
    prefix = docker_engine.network.prefix
    before = rules(prefix)
    for command in guard.install_commands():
        subprocess.run([*prefix, *command], check=True)
    assert guard.check(prefix)
    for command in guard.remove_commands():
        subprocess.run([*prefix, *command], check=True)
    assert rules(prefix) == before


def test_the_guard_survives_a_restart_of_the_engine(docker_engine: Dockerd) -> None:
    assert docker_engine.network is not None
    prefix = docker_engine.network.prefix
    guard.install(prefix)
    try:
        docker_engine.restart()
        assert guard.check(prefix)
    finally:
        guard.remove(prefix)
