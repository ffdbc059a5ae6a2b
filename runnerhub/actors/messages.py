"""The messages between actors: commands in the imperative, facts in the past."""

from dataclasses import dataclass

from runnerhub.model.job import JobSpec
from runnerhub.model.outcome import Verdict
from runnerhub.ports.ledger import Accepted
from runnerhub.runtime import ReplyTo


@dataclass(frozen=True, slots=True)
class CancelJob:
    """End the job with this verdict; its sandbox is reaped."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class AcceptJob:
    """Accept a job durably and answer."""

    spec: JobSpec
    retry_of: str | None
    reply_to: ReplyTo[Accepted]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Look for what nobody owns on the host, now."""


def job_actor_name(job_id: str) -> str:
    """Return the name of the actor of a job."""
    return f"job:{job_id}"


def host_actor_name(host: str) -> str:
    """Return the name of the actor of a host."""
    return f"host:{host}"
