"""Who is next among requests of several classes: the higher first, but none for ever. Pure."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from runnerhub.model.budget import Priority

T = TypeVar("T")

MOST_OVERTAKES = 16

Lane = tuple[Priority, str]


class PriorityLine(Generic[T]):
    """Requests that wait, in lanes: one for each class, and for each kind of write in it.

    A lane that may not go does not hold up the others. Inside a lane the order is that of
    arrival. `lanes` gives the order in which to try them.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[T]] = {}
        self._overtaken: dict[Lane, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def __iter__(self) -> Iterator[T]:
        for waiting in self._lanes.values():
            yield from waiting

    def add(self, lane: Lane, item: T) -> None:
        """Let an item wait at the end of a lane."""
        self._lanes.setdefault(lane, deque()).append(item)

    def lanes(self) -> list[Lane]:
        """Return the lanes that have somebody waiting, in the order in which to try them."""
        return sorted(self._lanes, key=self._rank)

    def head(self, lane: Lane) -> T:
        """Return who is first in a lane."""
        return self._lanes[lane][0]

    def take(self, lane: Lane) -> T:
        """Let the first of a lane go; the lanes of lower classes count that as an overtaking."""
        item = self._lanes[lane].popleft()
        self._overtaken.pop(lane, None)
        for other in self._lanes:
            if other[0] > lane[0]:
                self._overtaken[other] = self._overtaken.get(other, 0) + 1
        self._forget_empty(lane)
        return item

    def remove(self, item: T) -> bool:
        """Take an item out of the line, wherever it is; tell whether it was there."""
        for lane, waiting in self._lanes.items():
            if item in waiting:
                waiting.remove(item)
                self._forget_empty(lane)
                return True
        return False

    def _rank(self, lane: Lane) -> tuple[int, Priority, str]:
        return (0 if self._overtaken.get(lane, 0) >= MOST_OVERTAKES else 1, *lane)

    def _forget_empty(self, lane: Lane) -> None:
        if not self._lanes[lane]:
            del self._lanes[lane]
            self._overtaken.pop(lane, None)
