"""Settings of pools."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from runnerhub.config.names import NAME_FORM


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
