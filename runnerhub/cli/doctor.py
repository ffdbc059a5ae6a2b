"""`runnerhub doctor`: say what of all that a node needs is not as it should be."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from runnerhub.cli.options import Config, DataDir, Hosts, Json
from runnerhub.cli.output import show_json, show_table
from runnerhub.model.check import Check

if TYPE_CHECKING:
    from runnerhub.config import Settings


def doctor(
    *,
    docker_host: Hosts = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Look at all that a node needs: configuration, stores, hosts, GitHub. Changes nothing."""
    from runnerhub.config import ConfigError, load_settings, parse_docker_host

    checks = [Check("configuration", ok=True, detail="it can be read")]
    try:
        parsed = tuple(parse_docker_host(text) for text in docker_host) if docker_host else None
        settings = load_settings(config, {"docker_hosts": parsed, "data_dir": data_dir})
    except (ConfigError, ValueError) as error:
        checks = [Check("configuration", ok=False, detail=str(error))]
    else:
        checks += _look(settings)
    if as_json:
        show_json({"checks": [asdict(check) for check in checks]})
    else:
        marks = {True: "ok", False: "NOT OK"}
        rows = [{"name": c.name, "ok": marks[c.ok], "detail": c.detail} for c in checks]
        show_table(rows, "name", "ok", "detail")
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def _look(settings: "Settings") -> list[Check]:
    from runnerhub.service.doctor import doctor as run

    return list(run(settings))
