"""What the engine port promises, shown on the simulated engine and on a real one alike."""

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from runnerhub.adapters.docker import DockerEngine, TlsFiles
from runnerhub.model.logs import LogCursor, LogEntry, Resume
from runnerhub.ports.engine import ContainerSpec, Engine, EngineEvent, NetworkSpec
from runnerhub.ports.errors import (
    EngineRefused,
    EngineUnavailable,
    ImageMissing,
    ImagePullFailed,
    NameConflict,
    SubnetConflict,
)
from runnerhub.runtime import Bridge, run_guest
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.wire.server import serving
from tests.parts.dockerd import Dockerd
from tests.parts.images import BUSYBOX, busybox_root

LABEL = "dev.runnerhub.test"

Case = Callable[[Engine], Awaitable[None]]
Run = Callable[[Case], None]


REAL = pytest.param("real", marks=[pytest.mark.real, pytest.mark.xdist_group("engine")])


@pytest.fixture(params=["simulated", "wire", REAL])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """A function that runs a case on an engine."""
    if request.param == "simulated":
        return lambda case: trio.run(case, SimEngine(images=[BUSYBOX]))
    if request.param == "wire":
        return lambda case: on_wire(case, tmp_path)
    engine: Dockerd = request.getfixturevalue("docker_engine")
    return lambda case: on_real(case, engine)


def on_real(case: Case, part: Dockerd, *, tls: bool = False) -> None:
    """Run a case on a real engine, by its unix socket or by tcp."""
    files = None
    if tls:
        assert part.certificates is not None
        made = part.certificates
        files = TlsFiles(made.ca, made.client_cert, made.client_key)

    async def main(bridge: Bridge) -> None:
        engine = DockerEngine(bridge, part.url if tls else part.unix_url, files)
        await engine.open()
        try:
            with trio.fail_after(60):
                await case(engine)
        finally:
            await engine.close()

    run_guest(main)


def on_wire(case: Case, folder: Path) -> None:
    """Run a case on a simulated engine that is served, through the adapter of real ones."""

    async def main(bridge: Bridge) -> None:
        async with serving(lambda name: SimEngine(name, images=[BUSYBOX]), 1, folder) as urls:
            engine = DockerEngine(bridge, urls[0])
            await engine.open()
            try:
                with trio.fail_after(60):
                    await case(engine)
            finally:
                await engine.close()

    run_guest(main)


_subnets = itertools.count()


def network(name: str = "rh-net", **changes: Any) -> NetworkSpec:
    subnet = f"10.78.{next(_subnets)}.0/28"
    fields: dict[str, Any] = {"subnet": subnet, "internal": True, "bridge": name, **changes}
    return NetworkSpec(name, {LABEL: "1"}, **fields)


def shell(script: str, name: str = "rh-one", **changes: Any) -> ContainerSpec:
    fields: dict[str, Any] = {"image": BUSYBOX, "labels": {LABEL: "1"}, **changes}
    return ContainerSpec(name, command=("sh", "-c", script), **fields)


async def started(engine: Engine, spec: ContainerSpec) -> str:
    await engine.create_container(spec)
    await engine.start_container(spec.name)
    return spec.name


async def whole_log(engine: Engine, name: str, since: str = "") -> list[LogEntry]:
    """Return a container's log, which means: wait for its end."""
    async with engine.logs(name, since) as log:
        return [entry async for entry in log]


def text(entries: list[LogEntry], stream: str = "stdout") -> bytes:
    return b"".join(entry.data for entry in entries if entry.stream == stream)


def test_a_container_runs_to_its_end(run: Run) -> None:
    async def case(engine: Engine) -> None:
        spec = shell("echo a; echo b >&2; sleep 0.2; exit 3")
        container_id = await engine.create_container(spec)
        created = await engine.inspect_container("rh-one")
        assert created is not None
        assert (created.status, created.exit_code, created.started_at) == ("created", None, "")
        assert created.container_id == container_id
        await engine.start_container("rh-one")
        await engine.start_container("rh-one")
        running = await engine.inspect_container("rh-one")
        assert running is not None
        assert (running.status, running.exit_code) == ("running", None)
        assert not running.has_ended
        log = await whole_log(engine, "rh-one")
        assert (text(log), text(log, "stderr")) == (b"a\n", b"b\n")
        ended = await engine.inspect_container("rh-one")
        assert ended is not None
        assert ended.has_ended
        assert (ended.exit_code, ended.out_of_memory, ended.error) == (3, False, "")
        assert "" < ended.started_at < ended.finished_at
        assert len(ended.started_at) == len(ended.finished_at) == 30

    run(case)


def test_a_log_is_whole_and_in_order(run: Run) -> None:
    async def case(engine: Engine) -> None:
        name = await started(engine, shell("seq 3000; sleep 0.1; seq 3"))
        log = await whole_log(engine, name)
        expected = "".join(f"{n}\n" for n in [*range(1, 3001), 1, 2, 3]).encode()
        assert text(log) == expected
        assert [e.at for e in log] == sorted(e.at for e in log)
        assert text(await whole_log(engine, name)) == expected

    run(case)


def test_a_log_goes_on_behind_a_cursor_without_loss_or_doubling(run: Run) -> None:
    async def case(engine: Engine) -> None:
        script = "seq 5; echo x >&2; head -c 40000 /dev/zero | tr '\\0' x; sleep 0.1; seq 3"
        name = await started(engine, shell(script))
        log = await whole_log(engine, name)
        for cut in range(len(log) + 1):
            cursor = LogCursor()
            for entry in log[:cut]:
                cursor = cursor.advance(entry)
            resume = Resume(cursor)
            rest = [e for e in await whole_log(engine, name, cursor.at) if resume.is_new(e)]
            for stream in ("stdout", "stderr"):
                assert text(log[:cut] + rest, stream) == text(log, stream)
            assert len(log[:cut] + rest) == len(log)

    run(case)


def test_a_long_line_comes_in_pieces_of_one_timestamp(run: Run) -> None:
    async def case(engine: Engine) -> None:
        name = await started(engine, shell("head -c 40000 /dev/zero | tr '\\0' x"))
        log = await whole_log(engine, name)
        assert text(log) == b"x" * 40000
        assert [len(entry.data) for entry in log] == [16384, 16384, 7232]
        assert len({entry.at for entry in log}) == 1

    run(case)


def test_a_log_is_followed_while_it_is_written(run: Run) -> None:
    async def case(engine: Engine) -> None:
        name = await started(engine, shell("echo first; sleep 5"))
        with trio.fail_after(3):
            async with engine.logs(name) as log:
                assert (await log.receive()).data == b"first\n"
                await engine.remove_container(name)
                with pytest.raises(trio.EndOfChannel):
                    await log.receive()

    run(case)


def test_there_is_no_log_of_what_is_not_there(run: Run) -> None:
    async def case(engine: Engine) -> None:
        with pytest.raises(EngineRefused):
            await whole_log(engine, "rh-nobody")

    run(case)


def test_a_log_of_a_container_that_never_started_is_not_its_end(run: Run) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_container(shell("echo a"))
        with pytest.raises(EngineUnavailable):
            await whole_log(engine, "rh-one")

    run(case)


def test_events_tell_of_start_and_end(run: Run) -> None:
    async def case(engine: Engine) -> None:
        await started(engine, shell("echo before", "rh-before"))
        await whole_log(engine, "rh-before")
        async with engine.events(LABEL) as events:
            await started(engine, shell("exit 0", "rh-other", labels={"other": "1"}))
            name = await started(engine, shell("sleep 0.1; exit 7", labels={LABEL: "x", "k": "v"}))
            seen: list[EngineEvent] = []
            while not any(event.action == "die" for event in seen):
                seen.append(await events.receive())
        assert {event.name for event in seen} == {name}
        assert [event.action for event in seen] == ["create", "start", "die"]
        assert [event.exit_code for event in seen] == [None, None, 7]
        assert all(event.labels == {LABEL: "x", "k": "v"} for event in seen)

    run(case)


def test_listing_is_by_label(run: Run) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_container(shell("exit 0", "rh-a", labels={LABEL: "a"}))
        await started(engine, shell("sleep 60", "rh-b", labels={LABEL: "b"}))
        await engine.create_container(shell("exit 0", "rh-c", labels={"else": "a"}))
        assert {c.name for c in await engine.containers(LABEL)} == {"rh-a", "rh-b"}
        (found,) = await engine.containers(f"{LABEL}=b")
        assert (found.name, found.status, found.labels) == ("rh-b", "running", {LABEL: "b"})
        await engine.create_network(spec := network("rh-n"))
        (net,) = await engine.networks(LABEL)
        assert (net.name, net.subnets, net.labels) == ("rh-n", (spec.subnet,), {LABEL: "1"})
        assert await engine.networks(f"{LABEL}=2") == []
        assert "rh-n" in {each.name for each in await engine.networks()}

    run(case)


def test_removals_can_be_repeated(run: Run) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_network(network())
        name = await started(engine, shell("sleep 60"))
        assert await engine.remove_container(name)
        assert not await engine.remove_container(name)
        assert await engine.remove_network("rh-net")
        assert not await engine.remove_network("rh-net")
        assert await engine.inspect_container(name) is None
        await engine.stop_container(name, 0)

    run(case)


def test_a_network_with_members_is_removed(run: Run) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_network(network())
        name = await started(engine, shell("sleep 60", network="rh-net"))
        assert await engine.remove_network("rh-net")
        assert await engine.networks(LABEL) == []
        assert await engine.remove_container(name)

    run(case)


def test_what_is_taken_or_missing_is_said(run: Run) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_container(shell("exit 0"))
        with pytest.raises(NameConflict):
            await engine.create_container(shell("exit 0"))
        for image in ("rh-no/such:1", "Bad Image", "../x"):
            with pytest.raises(ImageMissing):
                await engine.create_container(shell("exit 0", "rh-two", image=image))
            assert not await engine.has_image(image)
        assert await engine.has_image(BUSYBOX)
        with pytest.raises(ImagePullFailed):
            await engine.pull_image("Bad Image")
        await engine.create_network(spec := network())
        with pytest.raises(NameConflict):
            await engine.create_network(network())
        with pytest.raises(SubnetConflict):
            await engine.create_network(network("rh-other", subnet=spec.subnet))
        with pytest.raises(EngineRefused):
            await engine.start_container("rh-nobody")
        with pytest.raises(EngineRefused):
            await engine.create_container(shell("exit 0", "rh-big", cpus=10_000))

    run(case)


def test_a_start_that_fails_leaves_the_engines_words(run: Run) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_container(
            ContainerSpec("rh-one", BUSYBOX, {LABEL: "1"}, ("no-such-program",))
        )
        with pytest.raises(EngineRefused, match="no-such-program"):
            await engine.start_container("rh-one")
        state = await engine.inspect_container("rh-one")
        assert state is not None
        assert "no-such-program" in state.error

    run(case)


@pytest.mark.parametrize("grace", [0.0, 1.0])
def test_stop_kills_after_the_grace(run: Run, grace: float) -> None:
    async def case(engine: Engine) -> None:
        name = await started(engine, ContainerSpec("rh-one", BUSYBOX, {LABEL: ""}, ("sleep", "60")))
        before = trio.current_time()
        await engine.stop_container(name, grace)
        assert grace <= trio.current_time() - before + 0.05 < grace + 5
        state = await engine.inspect_container(name)
        assert state is not None
        assert (state.status, state.exit_code) == ("exited", 137)
        await engine.stop_container(name, grace)

    run(case)


def test_exec_tells_whether_a_command_succeeded(run: Run) -> None:
    async def case(engine: Engine) -> None:
        assert not await engine.exec_ok("rh-one", ("true",))
        name = await started(engine, shell("sleep 60"))
        assert await engine.exec_ok(name, ("true",))
        assert not await engine.exec_ok(name, ("false",))
        assert not await engine.exec_ok(name, ("no-such-program",))
        assert await engine.exec_ok(name, ("sh", "-c", "echo some output; sleep 0.1; exit 0"))
        await engine.stop_container(name, 0)
        assert not await engine.exec_ok(name, ("true",))

    run(case)


def test_info_is_plausible(run: Run) -> None:
    async def case(engine: Engine) -> None:
        info = await engine.info()
        assert info.engine_id
        assert info.version
        assert info.cpus >= 1
        assert info.memory_mb > 100

    run(case)


@pytest.mark.real
def test_the_volumes_of_an_image_go_with_the_container(docker_engine: Dockerd) -> None:
    image = "localhost:5000/rh-test/with-volume:1"
    docker_engine.import_image(image, busybox_root(), "VOLUME /data")

    async def case(engine: Engine) -> None:
        assert await engine.volumes() == frozenset()
        name = await started(engine, shell("echo x >/data/x", image=image))
        await whole_log(engine, name)
        assert len(await engine.volumes()) == 1
        assert await engine.remove_container(name)
        assert await engine.volumes() == frozenset()

    on_real(case, docker_engine)


@pytest.mark.real
def test_an_image_is_made_of_an_archive(docker_engine: Dockerd) -> None:
    async def main(bridge: Bridge) -> None:
        engine = DockerEngine(bridge, docker_engine.unix_url)
        await engine.open()
        try:
            for image in ("localhost:5000/rh-test/made:2", "rh-test/made"):
                assert not await engine.has_image(image)
                await engine.import_image(image, busybox_root())
                assert await engine.has_image(image)
            with pytest.raises(EngineRefused):
                await engine.import_image("rh-test/broken:1", b"no archive")
        finally:
            await engine.close()

    run_guest(main)


@pytest.mark.real
def test_tcp_with_mutual_tls(new_dockerd: Callable[..., Dockerd]) -> None:
    part = new_dockerd(tcp=True)

    async def case(engine: Engine) -> None:
        async with engine.events(LABEL) as events:
            name = await started(engine, shell("echo a; exit 3"))
            assert text(await whole_log(engine, name)) == b"a\n"
            assert (await events.receive()).action == "create"
        assert await engine.remove_container(name)

    on_real(case, part, tls=True)
    assert part.leftovers() == {}

    async def stranger(bridge: Bridge) -> None:
        engine = DockerEngine(bridge, part.url, None)
        await engine.open()
        try:
            with pytest.raises((EngineUnavailable, EngineRefused)):
                await engine.info()
        finally:
            await engine.close()

    run_guest(stranger)


@pytest.mark.real
def test_an_engine_that_dies_breaks_every_stream(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        name = await started(engine, shell("echo a; sleep 60"))
        async with engine.events(LABEL) as events, engine.logs(name) as log:
            assert (await log.receive()).data == b"a\n"
            docker_engine.kill9()
            with pytest.raises(EngineUnavailable):
                await log.receive()
            with pytest.raises(EngineUnavailable):
                await events.receive()
        with pytest.raises(EngineUnavailable):
            await engine.info()
        with pytest.raises(EngineUnavailable):
            async with engine.events(LABEL):
                pass
        docker_engine.start()
        state = await engine.inspect_container(name)
        assert state is not None
        assert state.status == "running"
        async with engine.logs(name) as log:
            assert (await log.receive()).data == b"a\n"

    on_real(case, docker_engine)


@pytest.mark.real
def test_a_frozen_engine_is_unavailable_in_time(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        docker_engine.pause()
        before = trio.current_time()
        try:
            with pytest.raises(EngineUnavailable):
                await engine.info()
        finally:
            docker_engine.resume()
        assert trio.current_time() - before < 7

    on_real(case, docker_engine)


@pytest.mark.real
def test_two_removals_at_once_both_succeed(docker_engine: Dockerd) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_network(network())
        for _ in range(5):
            name = await started(engine, shell("sleep 60", network="rh-net"))
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(engine.remove_container, name)
            assert await engine.containers(LABEL) == []
        await engine.remove_network("rh-net")

    on_real(case, docker_engine)
    assert docker_engine.leftovers() == {}
