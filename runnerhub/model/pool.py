"""Pools: what jobs with certain labels are given beyond the default. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace

from runnerhub.model.job import Network, Resources
from runnerhub.model.sandbox import Relaxations

_NOTHING = Resources()


@dataclass(frozen=True, slots=True)
class Pool:
    """What jobs with these labels get.

    Attributes:
        image: for jobs that name none.
        network: for jobs that name none.
        resources: limits for jobs that do not name their own.
        warm: how many sandboxes of `image` each host keeps started ahead.
        scope: where the pool's just-in-time runners register: `repository` (that of the job),
            `orgs/NAME` or `enterprises/NAME`; None for a pool without.
        runner_group: id of the group that they join.
        max_runners: how many there are at most, in the whole cluster.
        stop_grace: seconds between TERM and KILL when a job is ended; 0 kills at once.
        require_egress_guard: refuse network egress on hosts without the guard.
    """

    name: str = "default"
    labels: frozenset[str] = frozenset()
    relaxations: Relaxations = field(default_factory=Relaxations)
    stop_grace: float = 0.0
    require_egress_guard: bool = False
    image: str | None = None
    network: Network = Network.ISOLATED
    resources: Resources = field(default_factory=Resources)
    warm: int = 0
    scope: str | None = None
    runner_group: int = 1
    max_runners: int = 100

    def limits(self, asked: Resources) -> Resources:
        """Return a job's limits, those that it does not name taken from the pool."""
        if self.resources == _NOTHING:
            return asked
        named = {
            each.name: value
            for each in fields(Resources)
            if (value := getattr(asked, each.name)) is not None
        }
        return replace(self.resources, **named)


DEFAULT_POOL = Pool()


def pool_of(labels: Iterable[str], pools: Sequence[Pool]) -> Pool:
    """Return the pool of a job: of those whose labels it has all, the one that names the most."""
    asked = {label.lower() for label in labels}
    fitting = [pool for pool in pools if pool.labels <= asked]
    return max(fitting, key=lambda pool: len(pool.labels), default=DEFAULT_POOL)
