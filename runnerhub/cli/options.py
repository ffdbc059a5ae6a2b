"""Options that several commands share, and the settings of a node that they make."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerhub.cli.client import fail, plainly

if TYPE_CHECKING:
    from runnerhub.config import Settings

DEFAULT_LIMIT = 100
DEFAULT_PATIENCE = 60.0

JobId = Annotated[str, typer.Argument(help="The job's id.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int | None, typer.Option(min=1, help="How many at most; else 100.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]
Patience = Annotated[
    float,
    typer.Option(min=0, max=86400, help="Seconds to look for a node that went away meanwhile."),
]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--docker-host", help="NAME=URL[,slots=N][,label=L]…; repeatable."),
]
Config = Annotated[Path | None, typer.Option(help="The file to read; else ./runnerhub.toml.")]
DataDir = Annotated[Path | None, typer.Option(help="Where the node keeps what it must remember.")]


def most_of(limit: int | None, everything: bool) -> int | None:
    """Return how many of a list are wanted, None for all."""
    if limit is not None and everything:
        fail("give --limit or --all, not both", 2)
    return None if everything else limit or DEFAULT_LIMIT


def settings_of(config: Path | None, hosts: list[str] | None, **overrides: object) -> "Settings":
    """Return the settings, with what the command line says on top."""
    from runnerhub.config import load_settings, parse_docker_host

    try:
        parsed = tuple(parse_docker_host(text) for text in hosts) if hosts else None
    except ValueError as error:
        fail(f"--docker-host: {error}", 2)
    with plainly(2):
        return load_settings(config, {"docker_hosts": parsed, **overrides})


def check_tls_files(settings: "Settings") -> None:
    """Fail where a host's TLS files are not all named, or one cannot be read."""
    for host in settings.docker_hosts:
        files = {name: getattr(host, name) for name in ("tls_ca", "tls_cert", "tls_key")}
        named = {name: path for name, path in files.items() if path is not None}
        if named and len(named) < len(files):
            fail(f"host {host.name}: tls_ca, tls_cert and tls_key belong together", 2)
        for name, path in named.items():
            try:
                path.read_bytes()
            except OSError as error:
                fail(f"host {host.name}: {name}: {path} cannot be read ({error.strerror})", 2)
