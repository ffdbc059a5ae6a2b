"""What the doors (API, dashboard, console) need of the core."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runnerhub.errors import RunnerHubError
from runnerhub.model.job import Job, JobSpec
from runnerhub.model.pool import Pool
from runnerhub.ports.github_state import GitHubState
from runnerhub.ports.ledger import Accepted, Ledger


class Overloaded(RunnerHubError):
    """The core takes no more just now. `retry_after_seconds` says when to come back."""

    def __init__(self, why: str, retry_after_seconds: int = 1) -> None:
        super().__init__(why)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class HostStatus:
    """A Docker host, for people.

    Attributes:
        state: ready, draining, unreachable, not_ours (another node drives it), starting.
        detail: why, in words; empty when ready.
        warnings: what an operator should know, such as a missing egress guard.
    """

    name: str
    url: str
    state: str
    slots: int
    free_slots: int
    labels: Sequence[str]
    detail: str = ""
    engine_version: str = ""
    running: Sequence[str] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependency's health: `ok` gates readiness only where `required`."""

    name: str
    ok: bool
    detail: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One actor of the running tree."""

    name: str
    kind: str
    phase: str
    mailbox_depth: int
    handled: int
    restarts: int
    children: Sequence["TreeNode"] = field(default_factory=tuple)


class Hub(Protocol):
    """The core, as the doors see it. Methods may raise `Overloaded` and the ledger's errors."""

    @property
    def ledger(self) -> Ledger:
        """The ledger, for reading."""

    @property
    def github_state(self) -> GitHubState | None:
        """What is kept of GitHub, for reading; None where it is not configured."""

    def pool(self, labels: Iterable[str]) -> Pool:
        """Return the pool of jobs with these labels."""

    async def delegate(self, spec: JobSpec) -> Accepted:
        """Accept a job durably (group-committed with others) and queue it."""

    async def requeue(self, job_id: str) -> Accepted | None:
        """Make a new job of a dead letter, with `retry_of`; None when it is no dead letter."""

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job; return it as it stood, completed ones unchanged; None if unknown."""

    def explain(self, job: Job) -> str:
        """Say in words why a job is where it is."""

    def hosts(self) -> Sequence[HostStatus]:
        """Return every configured host."""

    async def set_drained(self, host: str, *, drained: bool) -> bool:
        """Drain or undrain a host; False when there is none of this name."""

    async def dependencies(self) -> Sequence[Dependency]:
        """Return the health of PostgreSQL, Redis, GitHub and each Docker host."""

    def follow_log(self, job: Job, *, follow: bool) -> AsyncIterator[bytes]:
        """Yield the log of a job's present attempt; with `follow` until the job is completed."""

    def tree(self) -> TreeNode:
        """Return a picture of the running tree."""
