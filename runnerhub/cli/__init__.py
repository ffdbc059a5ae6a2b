"""The command line."""

import typer

from runnerhub.cli import node, operate, show, sim, webhooks
from runnerhub.cli.console import console
from runnerhub.cli.doctor import doctor
from runnerhub.cli.submit import submit
from runnerhub.cli.usage import OneLine

app = typer.Typer(
    name="runnerhub",
    cls=OneLine,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run GitHub Actions jobs in fresh sandboxes on Docker hosts of your own.",
)
for command in (
    node.serve,
    node.demo,
    submit,
    show.jobs,
    show.status,
    show.logs,
    show.cancel,
    show.dead_letters,
    show.hosts,
    show.tree,
    console,
    doctor,
    operate.reap,
    operate.token,
    operate.host_guard,
):
    app.command()(command)
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(sim.app, name="sim")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"runnerhub {version('runnerhub')}")
        raise typer.Exit


@app.callback()
def _main(
    *,
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    del version


def main() -> None:
    """Run the command line."""
    app()
