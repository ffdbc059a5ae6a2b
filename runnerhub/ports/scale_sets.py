"""The port to GitHub's scale-set service. A scope is `/orgs/NAME`, `/repos/OWNER/NAME`, ….

Every method is a checkpoint; cancelling it closes the connection, and the service may have acted.
Every method may raise `ScaleSetsUnavailable` and `ScaleSetRefused`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runnerhub.model.scale_set import Statistics
from runnerhub.model.scale_set_job import Message
from runnerhub.ports.errors import PortError, Unavailable
from runnerhub.ports.runners import Registration


class ScaleSetsUnavailable(Unavailable):
    """The service gave no answer that counts; nothing is known of effects."""


class ScaleSetRefused(PortError):
    """The service says no.

    Attributes:
        status: of HTTP.
        kind: the service's name for it, such as `AgentExistsException`.
    """

    def __init__(self, status: int, kind: str, words: str) -> None:
        super().__init__(f"the scale-set service answers {status} {kind}: {words}")
        self.status = status
        self.kind = kind


class SessionConflict(PortError):
    """Another session of this scale set is alive."""


class SessionLost(PortError):
    """The session is over: it lapsed, or was taken over."""


class QueueTokenExpired(PortError):
    """The token of the queue is not good any more: refresh the session."""


@dataclass(frozen=True, slots=True)
class ScaleSet:
    """A scale set as the service has it."""

    id: int
    name: str
    labels: tuple[str, ...] = ()
    statistics: Statistics | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """The right to listen.

    Attributes:
        queue_token: a secret.
        statistics: when it was opened, or refreshed.
    """

    id: str
    scope: str
    scale_set: int
    queue_url: str = field(repr=False)
    queue_token: str = field(repr=False)
    statistics: Statistics | None = None


class ScaleSets(Protocol):
    """The service."""

    async def find(self, scope: str, name: str, group: int) -> ScaleSet | None:
        """Return the scale set of this name in a runner group; None when there is none."""

    async def create(self, scope: str, name: str, group: int, labels: Sequence[str]) -> ScaleSet:
        """Make a scale set; one that is there already by this name is returned."""

    async def open_session(self, scope: str, scale_set: int, owner: str) -> Session:
        """Open a session. Where the answer is lost one may be open. Raises SessionConflict."""

    async def refresh_session(self, session: Session) -> Session:
        """Return the session with a new token. Raises SessionLost."""

    async def close_session(self, scope: str, scale_set: int, session_id: str) -> None:
        """Close the session of this id; harmless when it is over."""

    async def poll(self, session: Session, after: int, capacity: int) -> Message | None:
        """Wait for a message, the first after this id, or one that comes again; None without one.

        It waits about 50 s. Raises QueueTokenExpired.
        """

    async def acknowledge(self, session: Session, message_id: int) -> None:
        """Delete a message; harmless when it is gone. Raises QueueTokenExpired."""

    async def acquire(self, session: Session, requests: Collection[int]) -> Sequence[int]:
        """Take jobs that were offered; return those that are ours now. Raises QueueTokenExpired."""

    async def register(self, scope: str, scale_set: int, name: str) -> Registration:
        """Register a just-in-time runner; ScaleSetRefused with status 409 for a name that is taken.

        Never repeated: where the answer is lost the runner may exist.
        """

    async def deregister(self, scope: str, name: str) -> bool:
        """Deregister the runner of this very name; tell whether none is left: false when busy."""
