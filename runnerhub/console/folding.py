"""Fold a large tree to what a person can read: a few of each family, the odd ones, and a count."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from runnerhub.runtime import ActorSnapshot, Phase

Row = dict[str, Any]

SHOWN = 24


@dataclass(slots=True)
class _Family:
    level: int
    shown: int = 0
    odd: int = 0
    hidden: int = 0
    waiting: int = 0
    restarts: int = 0
    phases: Counter[str] = field(default_factory=Counter)

    def takes(self, shot: ActorSnapshot) -> bool:
        """Tell whether a member is shown: among the first, a supervisor, or one of the odd."""
        if self.shown < SHOWN or shot.kind == "supervisor":
            self.shown += 1
            return True
        is_odd = bool(shot.depth or shot.restarts or shot.phase != Phase.RUNNING)
        if is_odd and self.odd < SHOWN:
            self.odd += 1
            return True
        self.hidden += 1
        self.waiting += shot.depth
        self.restarts += shot.restarts
        self.phases[str(shot.phase)] += 1
        return False

    def rest(self) -> Row:
        """Return the row that stands for those not shown."""
        return {
            "level": self.level,
            "more": self.hidden,
            "phases": dict(self.phases),
            "waiting": self.waiting,
            "restarts": self.restarts,
        }


class Folding:
    """Take actors, parents first, and give rows.

    Args:
        everything: fold nothing.
    """

    def __init__(self, *, everything: bool) -> None:
        self.actors = 0
        self._everything = everything
        self._families: list[_Family] = []

    def add(self, level: int, shot: ActorSnapshot, now: float) -> Iterator[Row]:
        """Take an actor; yield the rows that this gives."""
        self.actors += 1
        yield from self._close(level)
        if not self._families or self._families[-1].level < level:
            self._families.append(_Family(level))
        if self._everything or self._families[-1].takes(shot):
            yield row(level, shot, now)

    def end(self) -> Iterator[Row]:
        """Yield the rows that are left, after the last actor."""
        yield from self._close(-1)

    def _close(self, level: int) -> Iterator[Row]:
        while self._families and self._families[-1].level > level:
            family = self._families.pop()
            if family.hidden:
                yield family.rest()


def row(level: int, shot: ActorSnapshot, now: float) -> Row:
    """Return an actor as a row."""
    return {
        "level": level,
        "name": shot.name,
        "kind": shot.kind,
        "phase": str(shot.phase),
        "waiting": shot.depth,
        "capacity": shot.capacity,
        "handled": shot.handled,
        "restarts": shot.restarts,
        "age_seconds": round(now - shot.started_at, 1),
    }
