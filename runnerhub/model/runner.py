"""A just-in-time runner of GitHub: whose it is, and what its name says.

    rh-<cluster>-<sandbox>      12 hex digits each

The name is durable before the runner exists, because the sandbox id is; so what GitHub lists
under a name of ours is a live attempt's, or a ghost.
"""

import re
from dataclasses import dataclass

_NAME = re.compile(r"rh-([0-9a-f]{12})-([0-9a-f]{12})")

# What GitHub adds to the labels of every self-hosted runner, and people write in `runs-on`.
IMPLIED = frozenset({"self-hosted"})


@dataclass(frozen=True, slots=True)
class RunnerWish:
    """What runner a sandbox is to become.

    Attributes:
        scope: `/repos/OWNER/NAME`, `/orgs/NAME` or `/enterprises/NAME`.
        labels: that it registers with.
        group: id of the runner group.
        pool: the pool among whose runners it counts.
        scale_set: id of the scale set that it registers through, at the `scope`.
    """

    scope: str
    labels: tuple[str, ...] = ()
    group: int = 1
    pool: str = ""
    scale_set: int | None = None


def runner_name(cluster: str, sandbox_id: str) -> str:
    """Return the name of the runner in a sandbox."""
    return f"rh-{cluster}-{sandbox_id}"


def sandbox_of_runner(cluster: str, name: str) -> str | None:
    """Return the sandbox id in a runner's name; None when it is not this cluster's."""
    found = _NAME.fullmatch(name)
    return found[2] if found and found[1] == cluster else None
