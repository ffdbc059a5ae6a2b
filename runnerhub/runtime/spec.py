"""What a supervisor needs to know about a child, and how its children hang together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from runnerhub.runtime.actor import ActorContext

M = TypeVar("M")


class Restart(Enum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"  # always
    TRANSIENT = "transient"  # after a crash
    TEMPORARY = "temporary"  # never


class Strategy(Enum):
    """Who is restarted together with a child that ended."""

    ONE_FOR_ONE = "one_for_one"  # nobody
    REST_FOR_ONE = "rest_for_one"  # those that were started after it, for they build on it
    ONE_FOR_ALL = "one_for_all"  # everybody


@dataclass(frozen=True, slots=True)
class ChildSpec(Generic[M]):
    """Describe a child.

    Attributes:
        name: unique among all living actors of the tree.
        start: the actor, called anew for every life, so that each begins with fresh state.
        kind: what sort of actor it is; one of few, for it labels metrics.
        restart: when it is started again.
        shutdown: seconds it has to end after a stop, before it is cancelled.
        start_timeout: seconds it has to call `started`.
        mailbox_size: how many messages may wait.
    """

    name: str
    start: Callable[["ActorContext[M]"], Awaitable[object]]
    kind: str = "actor"
    restart: Restart = Restart.PERMANENT
    shutdown: float = 5.0
    start_timeout: float = 30.0
    mailbox_size: int = 128


AnySpec = ChildSpec[Any]
