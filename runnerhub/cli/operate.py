"""Commands of an operator: issue tokens, reap, guard a host."""

from typing import Annotated

import typer

from runnerhub.cli.client import fail, plainly
from runnerhub.cli.options import Config, DataDir, Hosts, Json, check_tls_files, settings_of
from runnerhub.cli.output import show_json, show_table


def token(
    *,
    role: Annotated[str, typer.Option(help="admin, operator, proxy or viewer.")],
    subject: Annotated[str, typer.Option(help="Whose it is, for the record.")] = "cli",
    days: Annotated[float, typer.Option(min=0.01, max=36500, help="How long it is valid.")] = 30.0,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Issue a token for the API."""
    from runnerhub.api.auth import PERMISSIONS, Tokens, load_or_create_secret

    if role not in PERMISSIONS:
        fail(f"--role {role!r} is no role; there are {', '.join(PERMISSIONS)}", 2)
    settings = settings_of(config, None, data_dir=data_dir)
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

    from runnerhub.service.reaping import reap as run

    settings = settings_of(config, docker_host)
    if not settings.docker_hosts:
        fail("name the hosts with --docker-host NAME=URL", 2)
    if cluster == "":
        fail("--cluster is empty; `reap --dry-run` lists the clusters", 2)
    check_tls_files(settings)
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
    remove: Annotated[
        bool, typer.Option("--remove", help="Take it away (--print: show how).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Keep services of this host off the bridges of sandboxes, by a firewall rule."""
    from runnerhub.adapters.docker import guard

    if check and (show or remove):
        fail("give --check alone, or --print and --remove", 2)
    with plainly():
        if show:
            asked = guard.remove_commands() if remove else guard.install_commands()
            commands = [list(command) for command in asked]
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
    gone = "removed" if remove else "missing"
    if as_json:
        show_json({"stands": stands})
    else:
        typer.echo("the guard stands" if stands else f"the guard is {gone}")
    raise typer.Exit(1 if check and not stands else 0)
