"""A picture of the tree: frozen, made on demand, for people (`render`) and programs (`to_json`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runnerhub.runtime.life import Life


@dataclass(frozen=True, slots=True)
class ActorSnapshot:
    """One actor and those below it, as they were at one moment. Times are on trio's clock."""

    name: str
    kind: str
    phase: str
    depth: int
    capacity: int
    handled: int
    restarts: int
    started_at: float
    children: tuple["ActorSnapshot", ...] = ()

    def walk(self) -> Iterator["ActorSnapshot"]:
        """Yield this actor, then all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def to_json(self) -> dict[str, Any]:
        """Return it as what `json.dumps` takes."""
        return {
            "name": self.name,
            "kind": self.kind,
            "phase": self.phase,
            "mailbox": {"depth": self.depth, "capacity": self.capacity},
            "handled": self.handled,
            "restarts": self.restarts,
            "started_at": self.started_at,
            "children": [child.to_json() for child in self.children],
        }

    def render(self) -> str:
        """Return the tree as text, one line an actor."""
        return "\n".join(self._lines("", ""))

    def _lines(self, first: str, rest: str) -> Iterator[str]:
        name = self.name if self.name == self.kind else f"{self.name} ({self.kind})"
        restarts = f"  restarts {self.restarts}" if self.restarts else ""
        waiting = f"  waiting {self.depth}/{self.capacity}" if self.depth else ""
        yield f"{first}{name}  {self.phase}{waiting}{restarts}"
        for child in self.children:
            last = child is self.children[-1]
            yield from child._lines(  # noqa: SLF001 - its own class
                rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  ")
            )


def snapshot(life: Life, *, restarts: int = 0, phase: str | None = None) -> ActorSnapshot:
    """Return what a life and those below it look like now."""
    supervisor = life.context.supervisor
    below = supervisor.children() if supervisor is not None else ()
    shots = tuple(shot for child in below if (shot := child.snapshot()))
    return picture(life, restarts=restarts, phase=phase, children=shots)


def picture(
    life: Life,
    *,
    restarts: int = 0,
    phase: str | None = None,
    children: tuple[ActorSnapshot, ...] = (),
) -> ActorSnapshot:
    """Return what a life looks like now, above the children given."""
    mailbox = life.ref.statistics()
    return ActorSnapshot(
        name=life.spec.name,
        kind=life.spec.kind,
        phase=phase or life.phase,
        depth=mailbox.depth,
        capacity=mailbox.capacity,
        handled=mailbox.received,
        restarts=restarts,
        started_at=life.started_at,
        children=children,
    )
