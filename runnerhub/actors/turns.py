"""Which of the claimed jobs are placed, and in which order: classes share what is free."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from runnerhub.ports.queue import QueueEntry

AGING_MS = 60_000  # as the queue weighs within a class


def in_turn(
    entries: Sequence[QueueEntry], more: Collection[str] = frozenset()
) -> Iterator[QueueEntry]:
    """Yield claims as classes take turns; the order within a class stays.

    It ends where a class of which more waits in the queue has had all its claims: what it has
    left there may come before what others have left here.

    Args:
        entries: in the order in which they were claimed.
        more: the classes of which more waits than was claimed.
    """
    classes: dict[str, list[QueueEntry]] = {}
    for entry in reversed(entries):
        classes.setdefault(entry.placement, []).append(entry)
    weights = {key: _weight(waiting[-1]) for key, waiting in classes.items()}
    while weights:
        key = min(weights, key=lambda each: weights[each])
        waiting = classes[key]
        yield waiting.pop()
        if waiting:
            weights[key] = _weight(waiting[-1])
        elif key in more:
            return
        else:
            del weights[key]


def shares(waiting: Mapping[str, int], free: int, batch: int) -> dict[str, int]:
    """Return how many of each class to claim, together about a batch, at least one of each."""
    each = max(1, batch // max(1, len(waiting)))
    return {key: min(count, free, each) for key, count in waiting.items()}


def _weight(entry: QueueEntry) -> float:
    return entry.accepted_ms / AGING_MS - entry.priority
