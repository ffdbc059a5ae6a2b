"""A container that is handed its job over stdin, and one that shares another's network."""

import pytest
import trio

from runnerhub.model.handover import NEVER_HANDED_CODE, hand_over, never_handed, wait_command
from runnerhub.ports.engine import ContainerSpec, ContainerState, Engine
from runnerhub.ports.errors import EngineRefused, ImageMissing
from tests.contract.test_engine import (
    LABEL,
    Run,
    network,
    run,
    shell,
    started,
    text,
    whole_log,
)
from tests.parts.images import BUSYBOX

__all__ = ["run"]

TOKEN = "rh-0123456789ab"


def waiting(name: str = "rh-one") -> ContainerSpec:
    shell_name, *rest = wait_command(TOKEN)
    return ContainerSpec(
        name, BUSYBOX, {LABEL: "1"}, rest, entrypoint=[shell_name], stdin=True, memory_mb=64
    )


async def ended(engine: Engine, name: str) -> ContainerState:
    state = await engine.inspect_container(name)
    assert state is not None
    assert state.has_ended
    return state


def test_what_is_handed_over_becomes_the_container(run: Run) -> None:
    async def case(engine: Engine) -> None:
        name = await started(engine, waiting())
        async with engine.open_stdin(name) as stdin:
            state = await engine.inspect_container(name)
            assert state is not None
            assert state.status == "running"
            await stdin.send(hand_over(TOKEN, ["sh", "-c", "echo it; exit 3"], {"A": "x y"}))
        log = await whole_log(engine, name)
        assert text(log) == b"it\n"
        assert (await ended(engine, name)).exit_code == 3

    run(case)


@pytest.mark.parametrize("cut", [0, 40])
def test_half_a_hand_over_never_runs(run: Run, cut: int) -> None:
    async def case(engine: Engine) -> None:
        name = await started(engine, waiting())
        async with engine.open_stdin(name) as stdin:
            if cut:
                await stdin.send(hand_over(TOKEN, ["echo", "never"], {})[:cut])
        log = await whole_log(engine, name)
        assert (text(log), text(log, "stderr")) == (b"", never_handed(TOKEN))
        assert (await ended(engine, name)).exit_code == NEVER_HANDED_CODE

    run(case)


def test_a_command_that_is_not_there_exits_127(run: Run) -> None:
    async def case(engine: Engine) -> None:
        name = await started(engine, waiting())
        async with engine.open_stdin(name) as stdin:
            await stdin.send(hand_over(TOKEN, ["no-such-program"], {}))
        await whole_log(engine, name)
        assert (await ended(engine, name)).exit_code == 127

    run(case)


def test_limits_change_while_it_waits(run: Run) -> None:
    async def case(engine: Engine) -> None:
        name = await started(engine, waiting())
        async with engine.open_stdin(name) as stdin:
            await engine.limit_container(name, cpus=0.5, memory_mb=32, pids=50)
            await engine.limit_container(name, cpus=None, memory_mb=None, pids=None)
            await stdin.send(hand_over(TOKEN, ["sleep", "0"], {}))
        await whole_log(engine, name)
        assert (await ended(engine, name)).exit_code == 0
        with pytest.raises(EngineRefused):
            await engine.limit_container("rh-none", cpus=1.0, memory_mb=None, pids=None)

    run(case)


def test_stdin_of_nothing_is_refused(run: Run) -> None:
    async def case(engine: Engine) -> None:
        with pytest.raises(EngineRefused):
            async with engine.open_stdin("rh-none"):
                pass

    run(case)


def test_a_cancelled_holder_lets_go(run: Run) -> None:
    async def case(engine: Engine) -> None:
        name = await started(engine, waiting())
        with trio.move_on_after(0.1):
            async with engine.open_stdin(name):
                await trio.sleep_forever()
        await whole_log(engine, name)
        assert (await ended(engine, name)).exit_code == NEVER_HANDED_CODE

    run(case)


def test_a_container_joins_the_network_of_a_running_one(run: Run) -> None:
    async def case(engine: Engine) -> None:
        await engine.create_network(network())
        await engine.create_container(shell("sleep 60", "rh-holder", network="rh-net"))
        await engine.create_container(shell("exit 0", joins="rh-holder"))
        with pytest.raises(EngineRefused):
            await engine.start_container("rh-one")
        await engine.start_container("rh-holder")
        await engine.start_container("rh-one")
        await whole_log(engine, "rh-one")
        assert (await ended(engine, "rh-one")).exit_code == 0

    run(case)


def test_an_image_says_what_it_runs(run: Run) -> None:
    async def case(engine: Engine) -> None:
        config = await engine.image_config(BUSYBOX)
        assert list(config.entrypoint) == []
        with pytest.raises(ImageMissing):
            await engine.image_config("rh-no/such:1")

    run(case)


def test_a_holder_idles_until_it_is_removed(run: Run) -> None:
    async def case(engine: Engine) -> None:
        image = await engine.holder_image()
        assert await engine.holder_image() == image
        await engine.create_network(network())
        await started(
            engine,
            ContainerSpec(
                "rh-holder", image.name, {LABEL: "1"}, image.command, network="rh-net", pids=16
            ),
        )
        await engine.create_container(shell("exit 0", joins="rh-holder"))
        await engine.start_container("rh-one")
        await whole_log(engine, "rh-one")
        state = await engine.inspect_container("rh-holder")
        assert state is not None
        assert state.status == "running"

    run(case)
