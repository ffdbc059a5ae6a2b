"""Settings of GitHub: credentials, webhooks, scale sets."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from runnerhub.config.names import NAME_FORM
from runnerhub.model.budget import BudgetStrategy


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
