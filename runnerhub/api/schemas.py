"""The bodies that the API takes, with a bound on everything."""

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from runnerhub.model.job import Execution, JobSpec, Network, Ready, Resources, Service
from runnerhub.model.pool import Pool
from runnerhub.model.runner import RunnerWish

_COMPONENT = r"[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*"
IMAGE_FORM = re.compile(
    rf"(?:[A-Za-z0-9.-]+(?::\d+)?/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[a-f0-9]{64})?"
)
MOST_BYTES_OF_ENV = 128 * 1024
MOST_VARIABLES = 256


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode, without lone surrogates") from None
    return text


def _image(text: str) -> str:
    if not IMAGE_FORM.fullmatch(text):
        raise ValueError("must be the name of an image, such as debian:12 or host:5000/a/b:tag")
    return text


def _variable(text: str) -> str:
    if not text or "=" in text:
        raise ValueError("must be a name without '='")
    return _storable(text)


def _few(env: object) -> object:
    # Before its entries are looked at: a dictionary of a megabyte holds the loop for half a second.
    if isinstance(env, dict) and len(env) > MOST_VARIABLES:
        raise ValueError(f"must not have more than {MOST_VARIABLES} entries")
    return env


Text = Annotated[str, Field(max_length=32 * 1024), AfterValidator(_storable)]
Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_storable)]
Image = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_image)]
Variable = Annotated[str, Field(max_length=255), AfterValidator(_variable)]
Command = Annotated[list[Text], Field(max_length=256)]
Env = Annotated[dict[Variable, Text], Field(max_length=MOST_VARIABLES), BeforeValidator(_few)]
Label = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_storable)]
Whole = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Body(BaseModel):
    """A body: unknown fields and wrong types are refused.

    What is empty by default is made, not copied: pydantic's copy takes several times as long.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


class ResourcesBody(Body):
    """Limits of a sandbox."""

    cpus: float | None = Field(None, ge=0.01, le=1024, allow_inf_nan=False)
    memory_mb: int | None = Field(None, ge=6, le=1024 * 1024)
    pids: int | None = Field(None, ge=1, le=4_194_304)
    disk_mb: int | None = Field(None, ge=1, le=16 * 1024 * 1024)
    tmpfs_mb: int | None = Field(None, ge=1, le=1024 * 1024)


class ReadyBody(Body):
    """A service is ready once this command in it exits 0."""

    command: Command = Field(default_factory=list)
    interval_seconds: float = Field(0.5, ge=0.1, le=60, allow_inf_nan=False)
    timeout_seconds: float = Field(60.0, ge=1, le=600, allow_inf_nan=False)


class ServiceBody(Body):
    """A container beside the job."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")
    image: Image
    env: Env = Field(default_factory=dict)
    command: Command = Field(default_factory=list)
    ready: ReadyBody | None = None


class RunnerBody(Body):
    """The just-in-time runner that a sandbox of kind `jit` becomes."""

    scope: str = Field(
        pattern=r"^(repos/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+|(orgs|enterprises)/[A-Za-z0-9_.-]+)$"
    )
    labels: list[Label] = Field(min_length=1, max_length=100)
    group: int = Field(1, ge=1, le=2**31 - 1)


class ExecutionBody(Body):
    """What runs: a command, or a runner of GitHub's."""

    kind: Literal["command", "jit"]
    runner: RunnerBody | None = None
    image: Image | None = None
    command: Command = Field(default_factory=list)
    env: Env = Field(default_factory=dict)
    resources: ResourcesBody = Field(default_factory=ResourcesBody)
    network: Literal["isolated", "egress", "none"] | None = None
    services: list[ServiceBody] = Field(default_factory=list, max_length=10)

    @model_validator(mode="after")
    def _fits_together(self) -> "ExecutionBody":
        names = [service.name for service in self.services]
        if len(set(names)) != len(names):
            raise ValueError("services: two have the same name")
        if "job" in names:
            raise ValueError("services: the name 'job' is the job's own")
        if sum(len(k) + len(v) for k, v in self.env.items()) > MOST_BYTES_OF_ENV:
            raise ValueError(f"env: must not exceed {MOST_BYTES_OF_ENV} characters in all")
        if (self.kind == "jit") != (self.runner is not None):
            raise ValueError("runner: belongs to kind jit, and to no other")
        if self.kind == "jit" and self.network not in {None, "egress"}:
            raise ValueError("network: a runner must reach GitHub, which takes egress")
        return self


class DelegateBody(Body):
    """A job."""

    external_id: Name
    repository: Name
    execution: ExecutionBody
    workflow: Name | None = None
    job_name: Name | None = None
    run_id: Whole | None = None
    run_attempt: Whole | None = None
    labels: list[Label] = Field(default_factory=list, max_length=32)
    priority: int = Field(50, ge=0, le=100)
    timeout_seconds: float = Field(6 * 3600.0, ge=1, le=5 * 86400, allow_inf_nan=False)

    def spec(self, pool: Pool) -> JobSpec:
        """Return the job as the model has it, what it leaves open taken from its pool.

        Raises:
            ValueError: the pool does not make it whole; begins with the field's name.
        """
        return JobSpec(
            self.external_id,
            self.repository,
            _execution(self.execution, pool),
            self.workflow,
            self.job_name,
            self.run_id,
            self.run_attempt,
            tuple(self.labels),
            self.priority,
            self.timeout_seconds,
        )


def _execution(asked: ExecutionBody, pool: Pool) -> Execution:
    image = asked.image or pool.image
    if image is None:
        words = "is required, because no pool with these labels names one"
        raise ValueError(f"execution.image: {words}")
    network = Network(asked.network) if asked.network else pool.network
    if asked.kind == "jit":
        network = Network.EGRESS
    if asked.services and network is Network.NONE:
        raise ValueError("execution.services: cannot be reached with network none")
    return Execution(
        image,
        tuple(asked.command),
        asked.env,
        pool.limits(Resources(**dict(asked.resources))),
        network,
        tuple(_service(service) for service in asked.services),
        _runner(asked.runner),
    )


def _runner(asked: RunnerBody | None) -> RunnerWish | None:
    if asked is None:
        return None
    return RunnerWish(f"/{asked.scope}", tuple(asked.labels), asked.group)


def _service(body: ServiceBody) -> Service:
    ready = None
    if body.ready is not None:
        wanted = body.ready
        ready = Ready(tuple(wanted.command), wanted.interval_seconds, wanted.timeout_seconds)
    return Service(body.name, body.image, body.env, tuple(body.command), ready)
