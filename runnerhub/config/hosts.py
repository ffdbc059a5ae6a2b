"""Settings of Docker hosts, and their short form on the command line."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from runnerhub.config.names import NAME_FORM, first_problem

HOST_FORM = "NAME=URL[,slots=N][,label=L]…"


class HostSettings(BaseModel):
    """A Docker host.

    Attributes:
        url: unix:///path/to.sock, or tcp://HOST:PORT with the three TLS files.
        slots: how many jobs run there at once.
        labels: what jobs may ask for.
        holders: how many private networks are kept ready there, for jobs to join.
        reserve: set aside the cpus and memory that jobs ask for; else they are limits only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_FORM)
    url: str
    slots: int = Field(4, ge=1, le=1000)
    labels: tuple[str, ...] = ()
    holders: int = Field(0, ge=0, le=100)
    reserve: bool = False
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        if not url.startswith(("unix://", "tcp://", "sim://")):
            raise ValueError("must begin with unix:// or tcp://")
        return url


def parse_docker_host(text: str) -> HostSettings:
    """Read `NAME=URL[,slots=N][,label=L]…`, as on the command line.

    Raises:
        ValueError: not of that form; the message shows the form.
    """
    head, *options = text.strip().split(",")
    name, equals, url = head.partition("=")
    if not equals or not url:
        raise ValueError(f"{text!r} is not of the form {HOST_FORM}")
    fields: dict[str, Any] = {"name": name, "url": url}
    labels: list[str] = []
    for option in options:
        key, _, value = option.partition("=")
        if key == "label" and value:
            labels.append(value)
        elif key in {"slots", "holders", "reserve", "tls_ca", "tls_cert", "tls_key"} and value:
            fields[key] = value
        else:
            raise ValueError(f"{option!r} in {text!r} is not understood; the form is {HOST_FORM}")
    try:
        return HostSettings(**fields, labels=tuple(labels))
    except ValidationError as error:
        raise ValueError(f"{text!r}: {first_problem(error)}") from None
