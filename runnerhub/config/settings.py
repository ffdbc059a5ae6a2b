"""All settings of a node."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from runnerhub.config.github import GitHubSettings, ScaleSetSettings
from runnerhub.config.hosts import HostSettings, parse_docker_host
from runnerhub.config.pools import PoolSettings

BIND_FORM = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-f:.]+|[a-z0-9_.-]+):([0-9]{1,5})", re.IGNORECASE)
MOST_PORT = 65535

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
