"""What the actors of the gateway share: ports, settings, and what is known of each bucket."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from runnerhub.actors.github.statistics import GitHubStatistics
from runnerhub.model.budget import Bucket, BudgetStrategy, DecayingRate, Priority, exhaustion
from runnerhub.model.permit import Standing
from runnerhub.model.secondary import SecondaryLimits
from runnerhub.ports.budget import BudgetCounters
from runnerhub.ports.github import Credential, GitHubNotConfigured, GitHubTransport, Request
from runnerhub.ports.github_cache import CacheFeed, CacheTier
from runnerhub.runtime import Registry


@dataclass(frozen=True, slots=True)
class GitHubOptions:
    """What the gateway needs to be told."""

    node_id: str
    strategy: BudgetStrategy = BudgetStrategy.ADAPTIVE
    limits: SecondaryLimits = field(default_factory=SecondaryLimits)
    credentials: Sequence[Credential] = ()


@dataclass(slots=True)
class BucketState:
    """The live record of a bucket. Its actor writes it; the gateway and the metrics read.

    Attributes:
        blocked: why a class waits and until when, on trio's clock.
        dispatching: what DISPATCH takes a second, on this node.
        drawn: what all take a second.
    """

    bucket: Bucket
    standing: Standing = field(default_factory=Standing)
    waiting: int = 0
    blocked: dict[Priority, tuple[str, float]] = field(default_factory=dict)
    dispatching: DecayingRate = field(default_factory=DecayingRate)
    drawn: DecayingRate = field(default_factory=DecayingRate)

    def stands(self, standing: Standing, now: float) -> None:
        """Note how the bucket stands."""
        before, self.standing = self.standing, standing
        if before.limit == standing.limit and standing.remaining < before.remaining:
            self.drawn.note(before.remaining - standing.remaining, now)

    def exhausted_in(self, now: float) -> float:
        """Return the seconds until it is used up at the present rate; infinity for not."""
        standing = self.standing
        return exhaustion(standing.remaining, standing.left, self.drawn.at(now))


@dataclass(slots=True)
class Desk:
    """The ports and settings of the gateway.

    Attributes:
        transport: set, with `counters` and `tiers`, by the stores, which start before.
        counters: of all nodes.
        tiers: of the cache below memory, by name, the nearest first; `postgres` keeps lasting
            kinds only.
        feed: of other nodes' news; None where there are none.
        registry: of the tree; set when the credentials actor starts.
        wall: Unix seconds.
    """

    options: GitHubOptions
    transport: GitHubTransport = field(init=False)
    counters: BudgetCounters = field(init=False)
    tiers: Sequence[tuple[str, CacheTier]] = ()
    feed: CacheFeed | None = None
    buckets: dict[Bucket, BucketState] = field(default_factory=dict)
    statistics: GitHubStatistics = field(default_factory=GitHubStatistics)
    registry: Registry | None = None
    wall: Callable[[], float] = time.time

    def state(self, bucket: Bucket) -> BucketState:
        """Return the live record of a bucket, made at the first look."""
        return self.buckets.setdefault(bucket, BucketState(bucket))

    def credential_for(self, request: Request) -> Credential:
        """Return the credential that serves a request.

        Raises:
            GitHubNotConfigured: there is none.
        """
        account = account_of(request)
        for credential in self.options.credentials:
            if request.credential == credential.name or (
                request.credential is None and account in credential.accounts
            ):
                return credential
        for credential in self.options.credentials:
            if request.credential is None and not credential.accounts:
                return credential
        whom = request.credential or account or "this request"
        raise GitHubNotConfigured(f"no GitHub credential is configured for {whom}")


def account_of(request: Request) -> str | None:
    """Return the owner that a request concerns, in lower case; None when it concerns none."""
    if request.account is not None:
        return request.account.lower()
    parts = request.path.strip("/").split("/")
    if len(parts) > 1 and parts[0] in {"repos", "orgs", "users"}:
        return parts[1].lower()
    return None
