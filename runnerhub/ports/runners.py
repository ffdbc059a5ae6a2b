"""The port to runner registrations: what makes a sandbox one of GitHub's runners."""

from dataclasses import dataclass, field
from typing import Protocol

from runnerhub.model.runner import RunnerWish
from runnerhub.ports.errors import PortError, Unavailable


class RunnerRefused(PortError):
    """GitHub does not let a runner register; the message says why."""


class RunnersUnavailable(Unavailable):
    """Whether a runner is registered is not known: GitHub, or its budget, gave no answer."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A runner that is registered and has not started.

    Attributes:
        runner_id: at GitHub.
        config: the blob that the runner starts with: a secret.
    """

    runner_id: int
    config: str = field(repr=False)


class Runners(Protocol):
    """Runner registrations. The name is ours alone: whoever holds it is what we registered."""

    async def register(self, wish: RunnerWish, name: str) -> Registration:
        """Register a runner under this name; one that is left of an earlier try is replaced.

        Cancelled, or raising, it may have registered: deregister the name.

        Raises:
            RunnerRefused: the scope, group, labels or permissions are wrong.
            RunnersUnavailable: no answer that counts.
        """

    async def deregister(self, wish: RunnerWish, name: str) -> bool:
        """Deregister the runner of this name; tell whether none is left: false when it is busy.

        Raises:
            RunnerRefused: GitHub says no.
            RunnersUnavailable: no answer that counts.
        """
