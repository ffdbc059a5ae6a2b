"""Simulated hosts, served to anybody."""

import gc
import json
import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerhub.cli.client import fail, plainly
from runnerhub.cli.sim_github import github

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerhub.sim.engine import SimEngine

app = typer.Typer(no_args_is_help=True, help="Simulated Docker hosts, and a simulated GitHub.")
app.command()(github)

_HIGHEST_PORT = 65535


class LatencyChoice(StrEnum):
    """How long a simulated engine takes."""

    NONE = "none"
    MEASURED = "measured"


@app.callback()
def _sim() -> None:
    """Keep `hosts` a command of its own, also while it is the only one."""


@app.command()
def hosts(  # noqa: PLR0913 - a flag each
    *,
    count: Annotated[int, typer.Option(min=1, max=2000, help="How many hosts.")] = 1,
    directory: Annotated[Path, typer.Option("--dir", help="Where their sockets are made.")],
    tcp: Annotated[
        str | None, typer.Option(help="HOST:PORT of the first; the next have the next ports.")
    ] = None,
    faults: Annotated[Path | None, typer.Option(help="A schedule of faults, TOML.")] = None,
    latency: Annotated[
        LatencyChoice, typer.Option(help="Answer at once, or as a real engine was measured.")
    ] = LatencyChoice.NONE,
    seed: Annotated[int, typer.Option(help="Of latencies and commands.")] = 0,
    image: Annotated[
        list[str] | None, typer.Option(help="An image that is there; repeatable.")
    ] = None,
    commands: Annotated[
        Path | None, typer.Option(help="What commands do, TOML: seconds, output, exit code.")
    ] = None,
    pullable: Annotated[
        list[str] | None, typer.Option(help="An image that can be pulled; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one array.")] = False,
) -> None:
    """Serve simulated hosts as the Docker API until stopped, and print their URLs."""
    import trio

    from runnerhub.sim.wire.server import serving

    address = _address(tcp, count) if tcp is not None else None
    with plainly(2):
        make = _maker(faults, commands, latency, seed, image, pullable)

    async def main() -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            # What is loaded stays, and what is served hardly ever makes a cycle.
            gc.freeze()
            gc.set_threshold(20_000)
            async with serving(make, count, directory.absolute(), address) as urls:
                typer.echo(json.dumps(urls) if as_json else "\n".join(urls))
                async for _ in signals:
                    return

    with plainly(1):
        trio.run(main)


def _maker(
    faults: Path | None,
    said: Path | None,
    latency: LatencyChoice,
    seed: int,
    images: list[str] | None,
    pullable: list[str] | None,
) -> "Callable[[str], SimEngine]":
    from datetime import UTC, datetime

    from runnerhub.sim.clock import SimClock
    from runnerhub.sim.commands import Commands, load_commands
    from runnerhub.sim.engine import SimEngine
    from runnerhub.sim.latency import MeasuredLatency, shipped_measurements
    from runnerhub.sim.plan import load_plan
    from runnerhub.sim.wire.bodies import image_name

    clock = SimClock(datetime.now(UTC))
    plan = load_plan(faults) if faults is not None else None
    commands = load_commands(said) if said is not None else ()
    measured = shipped_measurements() if latency is LatencyChoice.MEASURED else None
    present = [image_name(each) for each in images or ("busybox:latest", "busybox:1")]
    registry = [image_name(each) for each in pullable or ()]

    def make(name: str) -> SimEngine:
        return SimEngine(
            name,
            clock=clock,
            plan=plan,
            images=present,
            registry=registry,
            commands=Commands(commands, f"{seed}/{name}") if commands else None,
            latency=MeasuredLatency(measured, f"{seed}/{name}") if measured else None,
        )

    return make


def _address(text: str, count: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit():
        fail(f"--tcp: {text!r} is no HOST:PORT", 2)
    if int(port) + count - 1 > _HIGHEST_PORT:
        fail(f"--tcp: {count} ports from {port} on do not fit below {_HIGHEST_PORT + 1}", 2)
    return host.strip("[]"), int(port)
