"""Commands of an operator: run a node, issue tokens, reap, guard a host."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from runnerhub.cli.client import fail, plainly
from runnerhub.cli.show import Json, show_json, show_table
from runnerhub.config import Settings, load_settings, parse_docker_host

Hosts = Annotated[
    list[str] | None,
    typer.Option("--docker-host", help="NAME=URL[,slots=N][,label=L]…; repeatable."),
]
Config = Annotated[Path | None, typer.Option(help="The file to read; else ./runnerhub.toml.")]
DataDir = Annotated[Path | None, typer.Option(help="Where the node keeps what it must remember.")]


def _settings(config: Path | None, hosts: list[str] | None, **overrides: object) -> Settings:
    try:
        parsed = tuple(parse_docker_host(text) for text in hosts) if hosts else None
    except ValueError as error:
        fail(f"--docker-host: {error}", 2)
    with plainly(2):
        return load_settings(config, {"docker_hosts": parsed, **overrides})


def serve(
    *,
    bind: Annotated[str | None, typer.Option(help="HOST:PORT of the API.")] = None,
    data_dir: DataDir = None,
    docker_host: Hosts = None,
    config: Config = None,
    on_stop: Annotated[str | None, typer.Option(help="hand_over or reap.")] = None,
    drain_seconds: Annotated[
        float | None, typer.Option(help="How long a stop waits for jobs to end.")
    ] = None,
) -> None:
    """Run a node until it is stopped."""
    settings = _settings(
        config,
        docker_host,
        bind=bind,
        data_dir=data_dir,
        on_stop=on_stop,
        drain_seconds=drain_seconds,
    )
    _configure_log()
    from runnerhub.service import serve as run

    if not settings.docker_hosts:
        typer.echo("runnerhub: no Docker host is configured; jobs will wait", err=True)
    with plainly():
        typer.echo(f"RunnerHub on {settings.bind}, data in {settings.data_dir}", err=True)
        raise typer.Exit(run(settings))


def demo(
    *,
    jobs: Annotated[int, typer.Option(min=1, max=200, help="How many jobs to run.")] = 12,
    as_json: Json = False,
) -> None:
    """Run real jobs, watch them, and count what is left behind: nothing."""
    _configure_log(quiet=True)
    from runnerhub.service import demo as run

    with plainly():
        raise typer.Exit(run(jobs=jobs, as_json=as_json))


def token(
    *,
    role: Annotated[str, typer.Option(help="admin, operator, proxy or viewer.")],
    subject: Annotated[str, typer.Option(help="Whose it is, for the record.")] = "cli",
    days: Annotated[float, typer.Option(min=0.01, help="How long it is valid.")] = 30.0,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Issue a token for the API."""
    from runnerhub.api.auth import Tokens, load_or_create_secret

    settings = _settings(config, None, data_dir=data_dir)
    with plainly():
        if not settings.jwt_secret and not settings.data_dir.is_dir():
            fail(f"there is no data folder {settings.data_dir}; name the node's with --data-dir")
        secret = settings.jwt_secret or load_or_create_secret(settings.data_dir)
        issued = Tokens(secret).issue(role, subject, days)
    if as_json:
        show_json({"token": issued, "role": role, "subject": subject, "days": days})
    else:
        typer.echo(issued)


def reap(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list.")] = False,
    cluster: Annotated[str | None, typer.Option(help="Of this cluster only.")] = None,
    docker_host: Hosts = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove all that a cluster has on its hosts. Works without a node, and without a ledger."""
    from dataclasses import asdict

    from runnerhub.service import reap as run

    settings = _settings(config, docker_host)
    if not settings.docker_hosts:
        fail("name the hosts with --docker-host NAME=URL", 2)
    with plainly():
        rows = [asdict(each) for each in run(settings, dry_run=dry_run, cluster=cluster)]
    if as_json:
        show_json({"found": rows})
    else:
        show_table(rows, "host", "kind", "name", "cluster", "removed")


def host_guard(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only tell whether it stands.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Only print the commands.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it away.")] = False,
    as_json: Json = False,
) -> None:
    """Keep services of this host off the bridges of sandboxes, by a firewall rule."""
    from runnerhub.adapters.docker import guard

    with plainly():
        if show:
            commands = [list(command) for command in guard.install_commands()]
            if as_json:
                show_json({"commands": commands})
            else:
                typer.echo("\n".join(map(" ".join, commands)))
            return
        if check:
            stands = guard.check()
        elif remove:
            guard.remove()
            stands = False
        else:
            guard.install()
            stands = True
    gone = "removed" if remove and not check else "missing"
    if as_json:
        show_json({"stands": stands})
    else:
        typer.echo("the guard stands" if stands else f"the guard is {gone}")
    raise typer.Exit(1 if check and not stands else 0)


def _configure_log(*, quiet: bool = False) -> None:
    """Write lines for people at a terminal, JSON elsewhere; always to standard error."""
    import logging

    import structlog

    human = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if human else [structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.ERROR if quiet else logging.INFO
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
