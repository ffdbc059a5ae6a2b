"""Who is next in the queue. Pure.

Larger priorities first, where a level of priority gains one point for each `aging` that its
oldest job has waited. Inside a level repositories take turns, each in the order of acceptance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits.

    Attributes:
        accepted_ms: Unix time in milliseconds.
    """

    job_id: str
    repository: str
    priority: int
    accepted_ms: int


def next_of(
    waiting: Iterable[Waiting],
    turns: Mapping[tuple[int, str], int],
    *,
    now_ms: int,
    aging_ms: float,
) -> Waiting | None:
    """Return who is next; None when nobody waits.

    Args:
        waiting: the jobs of one placement class.
        turns: by priority and repository; the least is next.
        now_ms: Unix time in milliseconds.
        aging_ms: how long a wait is worth one point.
    """
    levels: dict[int, list[Waiting]] = {}
    for job in waiting:
        levels.setdefault(job.priority, []).append(job)
    if not levels:
        return None

    def effective(priority: int) -> tuple[float, int]:
        oldest = min(job.accepted_ms for job in levels[priority])
        return priority + max(0, now_ms - oldest) / aging_ms, priority

    level = levels[max(levels, key=effective)]
    return min(
        level, key=lambda job: (turns[job.priority, job.repository], job.accepted_ms, job.job_id)
    )
