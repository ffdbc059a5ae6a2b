"""Pools: what jobs with certain labels are given beyond the default. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from runnerhub.model.sandbox import Relaxations


@dataclass(frozen=True, slots=True)
class Pool:
    """What jobs with these labels get.

    Attributes:
        stop_grace: seconds between TERM and KILL when a job is ended; 0 kills at once.
        require_egress_guard: refuse network egress on hosts without the guard.
    """

    name: str = "default"
    labels: frozenset[str] = frozenset()
    relaxations: Relaxations = field(default_factory=Relaxations)
    stop_grace: float = 0.0
    require_egress_guard: bool = False


DEFAULT_POOL = Pool()


def pool_of(labels: Iterable[str], pools: Sequence[Pool]) -> Pool:
    """Return the pool of a job: of those whose labels it has all, the one that names the most."""
    asked = {label.lower() for label in labels}
    fitting = [pool for pool in pools if pool.labels <= asked]
    return max(fitting, key=lambda pool: len(pool.labels), default=DEFAULT_POOL)
