"""How often a place at GitHub is looked at. Pure."""

from collections.abc import Mapping

from runnerhub.model.github_sync import Kind

MINUTE, HOUR = 60.0, 3600.0
SLOWER = 1.5
REFUSED_SECONDS = HOUR

_BOUNDS: Mapping[Kind, tuple[float, float]] = {
    Kind.REPOSITORIES: (5 * MINUTE, HOUR),
    Kind.WORKFLOWS: (10 * MINUTE, 6 * HOUR),
    Kind.RUNNERS: (MINUTE, 30 * MINUTE),
    Kind.RUNS: (MINUTE, 30 * MINUTE),
}
# Where webhooks tell, a look only finds what they did not.
_TOLD: Mapping[Kind, tuple[float, float]] = {
    Kind.WORKFLOWS: (HOUR, 6 * HOUR),
    Kind.RUNS: (10 * MINUTE, HOUR),
}


def bounds(kind: Kind, *, told: bool) -> tuple[float, float]:
    """Return the least and the most seconds between two looks."""
    return (told and _TOLD.get(kind)) or _BOUNDS[kind]


def next_interval(kind: Kind, before: float, *, lively: bool, told: bool) -> float:
    """Return the seconds until the next look.

    Args:
        kind: what is looked at.
        before: the seconds that lay before this look; 0 for the first.
        lively: something had changed, or is under way.
        told: webhooks tell of what happens there.
    """
    least, most = bounds(kind, told=told)
    if lively or before <= 0:
        return least
    return min(most, max(least, before * SLOWER))
