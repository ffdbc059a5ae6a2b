"""What a test asks to be run: runs and their jobs."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Label = Annotated[str, Field(min_length=1, max_length=256)]


class WorkflowOrder(BaseModel):
    """A workflow file. `text` goes to the runner as it is."""

    model_config = ConfigDict(extra="forbid")
    name: str = "ci"
    path: str = ".github/workflows/ci.yml"
    text: str = ""


class JobOrder(BaseModel):
    """A job. `gate`: it waits behind a deployment gate.

    `waiting` is told as action `waiting`; `queued` is told as action `queued` whose job is
    `waiting`, as GitHub does at times.
    """

    model_config = ConfigDict(extra="forbid")
    name: str = "build"
    labels: list[Label] = Field(default=["self-hosted"], min_length=1)
    gate: Literal["waiting", "queued"] | None = None


class RunOrder(BaseModel):
    """Runs of a workflow. `count` of them, alike.

    `labels` is short for one job with them.
    """

    model_config = ConfigDict(extra="forbid")
    repository: str
    workflow: WorkflowOrder = WorkflowOrder()
    jobs: list[JobOrder] = Field(default=[], max_length=256)
    labels: list[Label] = []
    event: str = "push"
    branch: str | None = None
    count: int = Field(1, ge=1, le=10_000)

    def job_orders(self) -> list[JobOrder]:
        """Return its jobs."""
        return self.jobs or [JobOrder(labels=self.labels or ["self-hosted"])]
