"""What the commands may use of the node: the tree, the hub, and a few words from the service."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runnerhub.ports.hub import Hub
from runnerhub.runtime import Root

Facts = Callable[[str], Awaitable[Mapping[str, Any]]]


async def no_facts(_: str) -> Mapping[str, Any]:
    """Know nothing about any actor."""
    return {}


@dataclass(frozen=True, slots=True)
class Desk:
    """What the commands may use.

    Attributes:
        root: the running tree.
        hub: the core as the doors see it.
        job_actor: returns the name of the actor of a job.
        facts: returns what is known about an actor beside the runtime, such as a job's phase.
        greeting: what a guest is told first, beside the version of the protocol.
    """

    root: Root
    hub: Hub
    job_actor: Callable[[str], str]
    facts: Facts = no_facts
    greeting: Mapping[str, Any] | None = None
