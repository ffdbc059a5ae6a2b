"""The simulated GitHub, served to anybody."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerhub.cli.client import fail, plainly

if TYPE_CHECKING:
    from runnerhub.sim.github.faults import FaultPlan


def github(
    *,
    bind: Annotated[str, typer.Option(help="HOST:PORT; port 0 lets the system choose.")],
    seed: Annotated[int, typer.Option(help="Of its ids and faults.")] = 0,
    faults: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="What goes wrong, TOML.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="How clients and runners reach it, if not at HOST:PORT.")
    ] = None,
) -> None:
    """Serve a simulated GitHub until stopped, and print its URL."""
    import trio

    from runnerhub.sim.github.serving import serve_sim_github

    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004
        fail(f"--bind: {bind!r} is no HOST:PORT", 2)
    plan = _plan(faults, seed)

    async def main() -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with serve_sim_github(
                host.strip("[]"), int(port), public_url=url, seed=seed, plan=plan
            ) as sim:
                typer.echo(sim.url)
                async for _ in signals:
                    return

    with plainly(1):
        trio.run(main)


def _plan(path: Path | None, seed: int) -> "FaultPlan":
    import tomllib

    from pydantic import ValidationError

    from runnerhub.sim.github.faults import FaultPlan

    if path is None:
        return FaultPlan(seed=seed)
    try:
        plan = FaultPlan.model_validate(tomllib.loads(path.read_text()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        fail(f"--faults {path}: {where}: {first['msg']}", 2)
    except (OSError, ValueError) as error:
        fail(f"--faults {path}: {error}", 2)
    return plan if "seed" in plan.model_fields_set else plan.model_copy(update={"seed": seed})
