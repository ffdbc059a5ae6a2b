"""Settings of a node: command line, then `RUNNERHUB_*`, then `runnerhub.toml`, then defaults."""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from runnerhub.errors import RunnerHubError
from runnerhub.model.budget import BudgetStrategy

NAME_FORM = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
HOST_FORM = "NAME=URL[,slots=N][,label=L]…"
BIND_FORM = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-f:.]+|[a-z0-9_.-]+):([0-9]{1,5})", re.IGNORECASE)
MOST_PORT = 65535


GITHUB_VARIABLES = (
    "api_url",
    "token",
    "app_id",
    "installation_id",
    "private_key_file",
    "webhook_secrets",
    "strategy",
)


class ConfigError(RunnerHubError):
    """A setting is wrong; the message names it and the mend, in one line."""


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


class PoolSettings(BaseModel):
    """What jobs that have all of these labels get, and what is relaxed for them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_FORM)
    labels: tuple[str, ...] = ()
    image: str | None = None
    network: Literal["isolated", "egress", "none"] | None = None
    warm: int = Field(0, ge=0, le=100)
    cpus: float | None = Field(None, ge=0.01, le=1024)
    memory_mb: int | None = Field(None, ge=6, le=1024 * 1024)
    pids: int | None = Field(None, ge=1, le=4_194_304)
    disk_mb: int | None = Field(None, ge=1, le=16 * 1024 * 1024)
    tmpfs_mb: int | None = Field(None, ge=1, le=1024 * 1024)
    scope: str | None = Field(None, pattern=r"^(repository|(orgs|enterprises)/[A-Za-z0-9_.-]+)$")
    runner_group: int = Field(1, ge=1)
    max_runners: int = Field(100, ge=1, le=10_000)
    egress_guard: Literal["warn", "require"] = "warn"
    stop_grace_seconds: float = Field(0.0, ge=0, le=600)
    cap_add: tuple[str, ...] = ()
    read_only: bool = False
    user: str | None = None

    @model_validator(mode="after")
    def _warm_of_something(self) -> "PoolSettings":
        if self.warm and self.image is None:
            raise ValueError("image: is needed where warm sandboxes are")
        return self

    @model_validator(mode="after")
    def _runners_can_work(self) -> "PoolSettings":
        if self.scope is None:
            return self
        if self.image is None:
            raise ValueError("image: is needed where the pool has a scope: the runner's")
        if self.network not in (None, "egress"):
            raise ValueError("network: must be egress where the pool has a scope, to reach GitHub")
        return self


class GitHubCredential(BaseModel):
    """A token, or an installation of a GitHub App.

    Attributes:
        name: labels metrics.
        accounts: the owners that it serves; none for all.
        installation_id: without it, the installation of each owner is looked up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("default", pattern=NAME_FORM)
    accounts: tuple[str, ...] = ()
    token: str | None = Field(None, min_length=1, repr=False)
    app_id: str | None = Field(None, coerce_numbers_to_str=True)
    installation_id: int | None = Field(None, gt=0)
    private_key_file: Path | None = None

    @property
    def configured(self) -> bool:
        """Whether there is one at all."""
        return self.token is not None or self.app_id is not None

    @model_validator(mode="after")
    def _one_kind(self) -> "GitHubCredential":
        if self.token is not None and self.app_id is not None:
            raise ValueError("token: stands beside app_id; one of the two is enough")
        if (self.app_id is None) != (self.private_key_file is None):
            missing = "private_key_file" if self.app_id else "app_id"
            raise ValueError(f"{missing}: an App needs app_id and private_key_file")
        return self


class GitHubSettings(GitHubCredential):
    """What RunnerHub needs to speak to GitHub; without a credential it does not.

    Attributes:
        webhook_secrets: any of them is taken, so that they can be changed one after the other.
        write_spacing: seconds between writes, by kind of request.
        credentials: more credentials.
    """

    api_url: str = Field("https://api.github.com", pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")
    webhook_secrets: tuple[str, ...] = Field((), repr=False)
    strategy: BudgetStrategy = BudgetStrategy.ADAPTIVE
    write_spacing: dict[str, float] = Field(default_factory=dict)
    credentials: tuple[GitHubCredential, ...] = ()

    @field_validator("webhook_secrets", mode="before")
    @classmethod
    def _by_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def all_credentials(self) -> tuple[GitHubCredential, ...]:
        """The credentials that are configured, the one of `[github]` itself first."""
        return tuple(each for each in (self, *self.credentials) if each.configured)

    @model_validator(mode="after")
    def _told_apart(self) -> "GitHubSettings":
        names = [each.name for each in self.all_credentials]
        if len(set(names)) != len(names):
            raise ValueError("credentials: two of them have the same name")
        return self


class ScaleSetSettings(BaseModel):
    """A scale set to listen to.

    Attributes:
        scope: orgs/NAME, repos/OWNER/NAME or enterprises/NAME; OWNER/NAME is taken as the second.
        pool: whose labels, image, limits and runner group it has.
        max_runners: that of the pool for None.
        min_runners: kept beyond those that have a job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_FORM)
    scope: str = Field(pattern=r"^((orgs|enterprises)/[\w.-]+|repos/[\w.-]+/[\w.-]+)$")
    pool: str
    max_runners: int | None = Field(None, ge=1, le=10_000)
    min_runners: int = Field(0, ge=0, le=10_000)

    @field_validator("scope", mode="before")
    @classmethod
    def _as_a_path(cls, scope: object) -> object:
        if not isinstance(scope, str):
            return scope
        parts = scope.strip("/").split("/")
        two = len(parts) == 2 and parts[0] not in {"orgs", "enterprises", "repos"}  # noqa: PLR2004
        return "/".join(["repos", *parts] if two else parts)


Named = TypeVar("Named", HostSettings, PoolSettings, ScaleSetSettings)


class Settings(BaseSettings):
    """All settings of a node. Durations carry their unit in the name."""

    model_config = SettingsConfigDict(
        env_prefix="RUNNERHUB_", frozen=True, extra="forbid", allow_inf_nan=False
    )

    bind: str = "127.0.0.1:8080"
    data_dir: Path = Field(default_factory=lambda: default_data_dir())  # noqa: PLW0108 - defined below
    docker_hosts: Annotated[tuple[HostSettings, ...], NoDecode] = ()
    pools: tuple[PoolSettings, ...] = ()
    scale_sets: tuple[ScaleSetSettings, ...] = ()
    database_url: str | None = None
    redis_url: str | None = None
    subnet_range: str = "10.231.0.0/16"
    subnet_prefix: int = Field(28, ge=16, le=29)
    max_attempts: int = Field(3, ge=1, le=100)
    host_lost_after_seconds: float = Field(60.0, gt=0)
    queue_max_hours: float = Field(24.0, gt=0)
    lease_ttl_seconds: float = Field(15.0, ge=3)
    drain_seconds: float = Field(0.0, ge=0)
    on_stop: Literal["hand_over", "reap"] = "hand_over"
    clean_up_seconds: float = Field(6.0, ge=1)
    log_max_mb: int = Field(64, ge=1)
    keep_days: float = Field(30.0, gt=0)
    log_days: float = Field(14.0, gt=0)
    image_pull: Literal["always", "if-missing", "never"] = "if-missing"
    metrics_open: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    jwt_secret: str | None = Field(None, min_length=32)
    github: GitHubSettings = Field(default_factory=GitHubSettings)

    @field_validator("bind")
    @classmethod
    def _an_address(cls, bind: str) -> str:
        found = BIND_FORM.fullmatch(bind)
        if found is None or int(found[2]) > MOST_PORT:
            raise ValueError("must be HOST:PORT, such as 127.0.0.1:8080")
        return bind

    @field_validator("docker_hosts", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if isinstance(value, str):
            value = [part for part in value.split(";") if part.strip()]
        if isinstance(value, list | tuple):
            value = [parse_docker_host(v) if isinstance(v, str) else v for v in value]
        return value

    @field_validator("subnet_range")
    @classmethod
    def _a_range(cls, text: str) -> str:
        try:
            ipaddress.IPv4Network(text)
        except ValueError as error:
            raise ValueError(f"must be an IPv4 network such as 10.231.0.0/16: {error}") from None
        return text

    @field_validator("data_dir")
    @classmethod
    def _at_home(cls, path: Path) -> Path:
        return path.expanduser()

    @model_validator(mode="after")
    def _subnets_fit(self) -> "Settings":
        if self.subnet_prefix < ipaddress.IPv4Network(self.subnet_range).prefixlen:
            raise ValueError("subnet_prefix: must not be smaller than the prefix of subnet_range")
        return self

    @field_validator("docker_hosts", "pools", "scale_sets")
    @classmethod
    def _names_differ(cls, named: tuple[Named, ...]) -> tuple[Named, ...]:
        names = [each.name for each in named]
        if len(set(names)) != len(names):
            raise ValueError("two of them have the same name")
        return named

    @model_validator(mode="after")
    def _scale_sets_have_pools(self) -> "Settings":
        pools = {pool.name: pool for pool in self.pools}
        used: set[str] = set()
        for each in self.scale_sets:
            pool = pools.get(each.pool)
            if pool is None:
                raise ValueError(
                    f"scale_sets: {each.name} names the pool {each.pool}: there is none"
                )
            if pool.image is None or pool.network not in (None, "egress"):
                raise ValueError(f"pools: {pool.name} needs an image, and egress to reach GitHub")
            if pool.name in used:
                raise ValueError(f"scale_sets: two of them use the pool {pool.name}")
            used.add(pool.name)
        return self

    @model_validator(mode="after")
    def _whole_pair(self) -> "Settings":
        # Half a pair must not mean that the API is served in the clear.
        if (self.tls_cert is None) != (self.tls_key is None):
            missing, there = ("tls_key", "tls_cert") if self.tls_cert else ("tls_cert", "tls_key")
            raise ValueError(f"{missing}: is needed beside {there}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the file, which `load_settings` reads, below the environment."""
        del settings_cls, dotenv_settings, file_secret_settings
        return init_settings, env_settings


def default_data_dir() -> Path:
    """Return the folder for data where none is named."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "runnerhub"


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
        raise ValueError(f"{text!r}: {_first(error)}") from None


def load_settings(config: Path | None, overrides: Mapping[str, object]) -> Settings:
    """Read the settings.

    Args:
        config: the file; `RUNNERHUB_CONFIG`, or ./runnerhub.toml if it exists, for None.
        overrides: from the command line; None values count as not given.

    Raises:
        ConfigError: in one line, what is wrong and where.
    """
    from_file = _with_github(_read(config))
    given = {key: value for key, value in overrides.items() if value is not None}
    for name in ("DATABASE_URL", "REDIS_URL"):
        if os.environ.get(name) and f"RUNNERHUB_{name}" not in os.environ:
            given.setdefault(name.lower(), os.environ[name])
    in_environment = {
        key.removeprefix("RUNNERHUB_").lower() for key in os.environ if key.startswith("RUNNERHUB_")
    }
    merged = {k: v for k, v in from_file.items() if k not in in_environment} | given
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise ConfigError(_first(error)) from None
    except SettingsError as error:  # an environment variable that ought to hold JSON
        raise ConfigError(f"{error}; it must be JSON") from None


def _with_github(from_file: dict[str, Any]) -> dict[str, Any]:
    """Let `RUNNERHUB_GITHUB_TOKEN` and its like win over the table `[github]`."""
    found = {
        field: value
        for field in GITHUB_VARIABLES
        if (value := os.environ.get(f"RUNNERHUB_GITHUB_{field.upper()}"))
    }
    table = from_file.get("github", {})
    return from_file | {"github": table | found} if found and isinstance(table, dict) else from_file


def _read(config: Path | None) -> dict[str, Any]:
    named = config or (Path(p) if (p := os.environ.get("RUNNERHUB_CONFIG")) else None)
    path = named or Path("runnerhub.toml")
    if not path.exists():
        if named is not None:
            raise ConfigError(f"there is no configuration file {path}")
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    words = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        words = "is no setting of RunnerHub"
    return f"{where}: {words}" if where else words
