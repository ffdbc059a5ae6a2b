"""Names and labels of a sandbox: chosen, and durable, before anything of it is created."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from runnerhub.model.job import Execution, Job, Network

LABEL_CLUSTER = "dev.runnerhub.cluster"
LABEL_SANDBOX = "dev.runnerhub.sandbox"
LABEL_JOB = "dev.runnerhub.job"
LABEL_ATTEMPT = "dev.runnerhub.attempt"
LABEL_ROLE = "dev.runnerhub.role"


def new_sandbox_id() -> str:
    """Return a creation token: 12 hex digits, so that `rh-<id>` fits a bridge's 15 characters."""
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class Relaxations:
    """What a pool opts out of. Nothing, by default.

    Attributes:
        cap_add: capabilities given back, such as CHOWN.
        read_only: whether the root file system is read-only (a tightening, in fact).
        user: user the job runs as; None is the image's own.
    """

    cap_add: tuple[str, ...] = ()
    read_only: bool = False
    user: str | None = None


@dataclass(frozen=True, slots=True)
class SandboxPlan:
    """One attempt's sandbox, by name. Removing it needs nothing but this.

    Attributes:
        log_max_mb: bound of the engine's own log file.
        has_holder: whether an idle container may hold its network.
    """

    sandbox_id: str
    labels: Mapping[str, str]
    execution: Execution
    relaxations: Relaxations = Relaxations()
    log_max_mb: int = 64
    has_holder: bool = False

    @property
    def main(self) -> str:
        """Name of the job's own container."""
        return f"rh-{self.sandbox_id}"

    @property
    def network(self) -> str | None:
        """Name of the private network and of its bridge; None for network `none`."""
        return None if self.execution.network is Network.NONE else f"rh-{self.sandbox_id}"

    @property
    def holder(self) -> str:
        """Name of the idle container that holds its network; no service can be called so."""
        return f"rh-{self.sandbox_id}-_holder"

    def service(self, name: str) -> str:
        """Name of the container of a service."""
        return f"rh-{self.sandbox_id}-{name}"


def plan_for(
    job: Job, cluster: str, relaxations: Relaxations | None = None, log_max_mb: int = 64
) -> SandboxPlan:
    """Plan the sandbox of a job's present attempt."""
    if job.sandbox_id is None:
        raise ValueError(f"job {job.id} has no sandbox id: it is not leased")
    return SandboxPlan(
        job.sandbox_id,
        {
            LABEL_CLUSTER: cluster,
            LABEL_SANDBOX: job.sandbox_id,
            LABEL_JOB: job.id,
            LABEL_ATTEMPT: str(job.attempt),
        },
        job.spec.execution,
        relaxations or Relaxations(),
        log_max_mb,
    )
