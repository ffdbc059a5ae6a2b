"""Simulated hosts, served to anybody."""

import json
import signal
from pathlib import Path
from typing import Annotated

import typer

from runnerhub.cli.client import fail, plainly

app = typer.Typer(no_args_is_help=True, help="Simulated Docker hosts.")


@app.callback()
def _sim() -> None:
    """Keep `hosts` a command of its own, also while it is the only one."""


@app.command()
def hosts(
    *,
    count: Annotated[int, typer.Option(min=1, max=2000, help="How many hosts.")] = 1,
    directory: Annotated[Path, typer.Option("--dir", help="Where their sockets are made.")],
    tcp: Annotated[
        str | None, typer.Option(help="HOST:PORT of the first; the next have the next ports.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one array.")] = False,
) -> None:
    """Serve simulated hosts as the Docker API until stopped, and print their URLs."""
    from datetime import UTC, datetime

    import trio

    from runnerhub.sim.clock import SimClock
    from runnerhub.sim.engine import SimEngine
    from runnerhub.sim.wire.server import serving

    address = _address(tcp) if tcp is not None else None

    async def main() -> None:
        clock = SimClock(datetime.now(UTC))

        def make(name: str) -> SimEngine:
            return SimEngine(name, clock=clock)

        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with serving(make, count, directory.absolute(), address) as urls:
                typer.echo(json.dumps(urls) if as_json else "\n".join(urls))
                async for _ in signals:
                    return

    with plainly(1):
        trio.run(main)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004
        fail(f"--tcp: {text!r} is no HOST:PORT", 2)
    return host.strip("[]"), int(port)
