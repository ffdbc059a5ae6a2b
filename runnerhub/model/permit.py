"""What is asked of the counters of a rate limit, and what they answer."""

from dataclasses import dataclass, field, replace

from runnerhub.model.budget import Bucket, Curve
from runnerhub.model.secondary import Rate

WINDOWS = dict.fromkeys(
    (
        "search",
        "code_search",
        "source_import",
        "dependency_snapshots",
        "dependency_sbom",
        "code_scanning_autofix",
    ),
    60.0,
)
HOUR = 3600.0


def window_of(resource: str) -> float:
    """Return the seconds that a window of a resource lasts."""
    return WINDOWS.get(resource, HOUR)


@dataclass(frozen=True, slots=True)
class Demand:
    """One call that wants to be made.

    Attributes:
        permit: its id, unique in the cluster.
        node: who asks.
        curve: the floor of its class.
        rates: what it must keep.
        in_flight: how many of the credential's calls may be under way, this one included.
        free: draws nothing from the primary limit.
        expires: seconds after which the permit counts as given back, should its node die.
    """

    permit: str
    bucket: Bucket
    node: str
    curve: Curve = field(default_factory=Curve)
    rates: tuple[Rate, ...] = ()
    in_flight: int = 1
    free: bool = False
    expires: float = 120.0

    def divided(self, nodes: int) -> "Demand":
        """Return it as a node asks that takes one part of so many."""
        rates = tuple(replace(rate, interval=rate.interval * nodes) for rate in self.rates)
        return replace(self, rates=rates, in_flight=max(1, self.in_flight // nodes))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a bucket stands.

    Attributes:
        limit: calls in a window; None while unknown, -1 where there is no limit.
        remaining: calls left.
        left: seconds to the reset.
        nodes: that were seen lately, at least 1.
        silent: seconds for which the credential says nothing.
    """

    limit: int | None = None
    remaining: int = 0
    left: float = 0.0
    nodes: int = 1
    silent: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a call may be made.

    Attributes:
        wait: seconds until asking again makes sense; 0 when it may.
        why: what it waits for: silence, in_flight, rate, unknown or budget.
    """

    granted: bool
    wait: float
    why: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Reported:
    """What an answer of GitHub says of a bucket.

    Attributes:
        resets: GitHub's time of the reset, Unix seconds; tells windows apart.
        left: seconds to it, by GitHub's own clock.
    """

    limit: int
    remaining: int
    resets: int
    left: float


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a permit.

    Attributes:
        bucket: where it was charged.
        charged: whether it cost a call: not when it was never sent, or answered 304.
        counted_in: the bucket that GitHub named; None when it named none.
        reported: what GitHub said of that bucket.
        answered: GitHub answered, and did not refuse for a limit.
        refused: GitHub refused for a secondary limit.
        retry_after: seconds that it asked for.
    """

    permit: str
    bucket: Bucket
    charged: bool = True
    counted_in: Bucket | None = None
    reported: Reported | None = None
    answered: bool = False
    refused: bool = False
    retry_after: float | None = None
