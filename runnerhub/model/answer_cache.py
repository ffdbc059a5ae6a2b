"""How long an answer of GitHub is fresh, and which are kept in memory. Pure."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Generic, TypeVar

V = TypeVar("V")

FRESH_SECONDS: Mapping[str, float] = {
    "repository": 600.0,
    "repositories": 300.0,
    "workflows": 600.0,
    "runner_groups": 600.0,
    "installation": 3600.0,
    "runners": 30.0,
    "runs": 30.0,
    "jobs": 15.0,
}
LASTING_SECONDS = 60.0


def fresh_seconds(kind: str) -> float:
    """Return how long an answer is fresh; 0 when each use is revalidated."""
    return FRESH_SECONDS.get(kind, 0.0)


def is_lasting(kind: str) -> bool:
    """Whether an answer is worth a place in PostgreSQL."""
    return fresh_seconds(kind) >= LASTING_SECONDS


def cache_key(whose: str, path: str, params: Mapping[str, str | int]) -> str:
    """Return the key of an answer; what one credential may see is not shown to another."""
    text = json.dumps([whose, path, sorted((name, str(value)) for name, value in params.items())])
    return hashlib.sha256(text.encode()).hexdigest()


class RecentlyUsed(Generic[V]):
    """Keep at most so many values of at most so many bytes together; the least used go first."""

    def __init__(self, entries: int = 4096, size: int = 32 << 20) -> None:
        self._entries = entries
        self._room = size
        self._kept: OrderedDict[str, tuple[V, int]] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def get(self, key: str) -> V | None:
        """Return a value and count that as a use."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def put(self, key: str, value: V, size: int) -> None:
        """Keep a value of so many bytes."""
        self.drop(key)
        self._kept[key] = value, size
        self.size += size
        while self._kept and (len(self._kept) > self._entries or self.size > self._room):
            self.drop(next(iter(self._kept)))

    def drop(self, key: str) -> None:
        """Forget a value, if it is there."""
        if (kept := self._kept.pop(key, None)) is not None:
            self.size -= kept[1]

    def values(self) -> list[V]:
        """Return the values that are kept, the least used first."""
        return [value for value, _ in self._kept.values()]

    def items(self) -> list[tuple[str, V]]:
        """Return what is kept, the least used first."""
        return [(key, value) for key, (value, _) in self._kept.items()]
