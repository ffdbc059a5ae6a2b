"""`runnerhub serve` and `runnerhub demo`: run a node in this process."""

import socket
import ssl
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runnerhub.cli.client import fail, plainly
from runnerhub.cli.options import Config, DataDir, Hosts, Json, check_tls_files, settings_of

if TYPE_CHECKING:
    from runnerhub.config import Settings

LEDGER_SCHEMES = ("postgresql://", "postgres://")


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
    as_json: Annotated[
        bool, typer.Option("--json", help="Log as JSON at a terminal, too.")
    ] = False,
) -> None:
    """Run a node until it is stopped."""
    settings = settings_of(
        config,
        docker_host,
        bind=bind,
        data_dir=data_dir,
        on_stop=on_stop,
        drain_seconds=drain_seconds,
    )
    _configure_log(human=sys.stderr.isatty() and not as_json)
    import structlog

    from runnerhub.service.run import serve as run

    _check_ledger(settings)
    check_tls_files(settings)
    _try_doors(settings)
    log = structlog.get_logger(__name__)
    where = {"bind": settings.bind, "data_dir": str(settings.data_dir)}
    log.info("starting", action="starting", **where)
    if not settings.docker_hosts:
        log.warning("no Docker host is configured; jobs will wait", action="no_hosts")
    with plainly():
        raise typer.Exit(run(settings))


def _check_ledger(settings: "Settings") -> None:
    """Fail at once where no PostgreSQL can be meant: the node would wait a minute for it."""
    if settings.database_url and not settings.database_url.startswith(LEDGER_SCHEMES):
        fail("database_url: must begin with postgresql://, then USER:PASSWORD@HOST:PORT/NAME", 2)


def _try_doors(settings: "Settings") -> None:
    """Fail at once where the API could not open: its supervisor would only try again and again."""
    host, _, port = settings.bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((host, int(port)))
    except (OSError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or str(error)
        fail(f"bind: {settings.bind} cannot be used ({words}); --bind names another")
    if settings.tls_cert is not None and settings.tls_key is not None:
        pair = (settings.tls_cert, settings.tls_key)
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*pair)
        except OSError as error:
            words = error.strerror or str(error)
            fail(f"tls_cert and tls_key: {pair[0]} and {pair[1]} cannot be used ({words})")


def demo(
    *,
    jobs: Annotated[int, typer.Option(min=1, max=200, help="How many jobs to post.")] = 12,
    as_json: Json = False,
) -> None:
    """Run jobs and GitHub's workflow jobs, watch them, and count what is left: nothing."""
    _configure_log(human=sys.stderr.isatty(), quiet=True)
    from runnerhub.service.demo import demo as run

    with plainly():
        raise typer.Exit(run(jobs=jobs, as_json=as_json))


def _configure_log(*, human: bool, quiet: bool = False) -> None:
    """Write lines for people at a terminal, JSON elsewhere; always to standard error."""
    import logging

    import structlog

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
