"""The guest run as a whole: results, leftovers, signals."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest
import trio
import trio.lowlevel

from runnerhub.runtime import Bridge, run_guest
from tests.parts.needs import need_uvloop

from .test_bridge import Guest, guest

__all__ = ["guest"]  # the fixture


def test_s62_arguments_in_result_out() -> None:
    async def main(bridge: Bridge, number: int) -> int:
        assert bridge.loop is asyncio.get_running_loop()
        await trio.lowlevel.checkpoint()
        return number + 1

    assert run_guest(main, 1) == 2


def test_s62_leftovers_are_named_and_ended(guest: Guest[None]) -> None:
    ended: list[bool] = []

    async def forgotten() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    async def main(bridge: Bridge) -> None:
        bridge.start_task(forgotten())
        await trio.lowlevel.checkpoint()

    with pytest.warns(ResourceWarning, match="forgotten"):
        guest(main)
    assert ended == [True]


def test_s62_what_ends_by_itself_is_no_leftover(guest: Guest[None]) -> None:
    async def closing() -> None:
        await asyncio.sleep(0.005)

    async def main(bridge: Bridge) -> None:
        bridge.start_task(closing())
        await trio.lowlevel.checkpoint()

    guest(main)


def test_s53_an_interrupted_host_does_not_abandon_its_guest(guest: Guest[None]) -> None:
    steps: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def interrupts() -> None:
        raise SystemExit(3)

    async def main(bridge: Bridge) -> None:
        try:
            tasks.append(bridge.start_task(interrupts()))
            await trio.sleep_forever()
        finally:
            steps.append("finally")

    with pytest.raises(SystemExit) as caught:
        guest(main)
    assert caught.value.code == 3
    assert steps == ["finally"]
    assert isinstance(tasks[0].exception(), SystemExit)


PROGRAM = """
    import sys
    import trio
    from runnerhub.runtime import ChildSpec, Root, Shutdown, run_guest, run_until_signal, shielded

    shutdown = Shutdown()

    async def actor(ctx):
        ctx.started()
        print("ready", flush=True)
        try:
            async for _ in ctx:
                pass
            print("stopped", flush=True)
            if "linger" in sys.argv:
                await trio.sleep(60)
        finally:
            with shielded(5.0):
                await trio.sleep(0.01)
            print("finally", flush=True)

    async def main(bridge):
        if "bare" in sys.argv:
            try:
                print("ready", flush=True)
                await trio.sleep(60)
            finally:
                print("finally", flush=True)
        root = Root(ChildSpec("it", actor, shutdown=60))
        print(await run_until_signal(root, shutdown), shutdown.hurry.is_set(), flush=True)

    if "plain" in sys.argv:
        trio.run(main, None)
    else:
        run_guest(main, use_uvloop="uvloop" in sys.argv)
"""


@pytest.fixture(params=["plain", "asyncio", "uvloop"])
def host(request: pytest.FixtureRequest) -> str:
    if request.param == "uvloop":
        need_uvloop()
    return str(request.param)


def start(*arguments: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(PROGRAM), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_s51_the_first_signal_stops(host: str, number: signal.Signals) -> None:
    with start(host) as process:
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=20)
    assert out.splitlines() == ["stopped", "finally", f"{number} False"]
    assert (process.returncode, err) == (0, "")


def test_s52_the_second_hurries(host: str) -> None:
    with start(host, "linger") as process:
        os.kill(process.pid, signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert out.splitlines() == ["finally", f"{signal.SIGTERM} True"]
    assert (process.returncode, err) == (0, "")


def test_s53_without_a_receiver_ctrl_c_runs_every_finally(host: str) -> None:
    with start(host, "bare") as process:
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert out == "finally\n"
    assert "KeyboardInterrupt" in err
    assert "pending" not in err
