"""The messages to the gateway's actors."""

from dataclasses import dataclass

from runnerhub.model.budget import Bucket, Priority
from runnerhub.model.permit import Settlement
from runnerhub.ports.github import Authorization, Credential
from runnerhub.runtime import ReplyTo


@dataclass(frozen=True, slots=True, eq=False)
class Admit:
    """Answer when a call may be made; whoever asked then owes a `Settle` or a `Withdraw`.

    Attributes:
        asked_at: on trio's clock.
    """

    permit: str
    method: str
    kind: str
    priority: Priority
    free: bool
    asked_at: float
    reply_to: ReplyTo[None]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The call will not be made: take it out of the line, or its permit back."""

    permit: str


@dataclass(frozen=True, slots=True)
class Settle:
    """A call was made; this came of it."""

    settlement: Settlement


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom a request is sent.

    Attributes:
        key: of the counters that it draws from.
    """

    key: str
    authorization: Authorization


@dataclass(frozen=True, slots=True)
class Identify:
    """Answer with an identity whose token is good for a while."""

    credential: Credential
    account: str | None
    reply_to: ReplyTo[Identity]


@dataclass(frozen=True, slots=True)
class Distrust:
    """GitHub did not take this token: forget it."""

    identity: Identity


CREDENTIALS = "github-credentials"


def bucket_actor_name(bucket: Bucket) -> str:
    """Return the name of the actor of a bucket."""
    return f"github-bucket:{bucket.credential}:{bucket.resource}"
