"""Look at a large tree without holding anybody up.

`inspect.snapshot` shows one moment, and nobody else runs while it is taken. Here the work is cut
into slices, and others run between them; so each actor is shown as it was in its own slice.
"""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from time import perf_counter

import trio

from runnerhub.runtime.child import Child
from runnerhub.runtime.inspect import ActorSnapshot, picture
from runnerhub.runtime.life import Life
from runnerhub.runtime.root import Root
from runnerhub.runtime.supervisor import Supervisor

SLICE_SECONDS = 0.001


class Pace:
    """Lets others run whenever this task has worked for a slice."""

    def __init__(self, slice_seconds: float = SLICE_SECONDS) -> None:
        self._slice = slice_seconds
        self._since = perf_counter()

    async def breathe(self) -> None:
        """Let others run if the slice is over, else return at once. Call it for every item."""
        if perf_counter() - self._since >= self._slice:
            await trio.lowlevel.checkpoint()
            self._since = perf_counter()

    def restart(self) -> None:
        """Begin a slice. Call it where this task has waited for something else."""
        self._since = perf_counter()


@dataclass(frozen=True, slots=True)
class Place:
    """An actor and where it stands.

    Attributes:
        level: 0 for the topmost.
        life: its present or last life.
        child: what its supervisor remembers of it, None for the topmost.
        supervisor: whose child it is, None for the topmost.
    """

    level: int
    life: Life
    child: Child | None = None
    supervisor: Supervisor | None = None

    def picture(self) -> ActorSnapshot:
        """Return what this actor looks like now, without those below it."""
        if self.child is None:
            return picture(self.life)
        return picture(self.life, restarts=self.child.restarts, phase=self.child.phase)


async def survey(root: Root, pace: Pace, start: Place | None = None) -> AsyncGenerator[Place, None]:
    """Yield every actor, parents first, siblings in the order in which they started.

    Who begins or ends meanwhile may be missing, or be shown though it has ended.

    Args:
        root: the tree.
        pace: how long a slice is.
        start: yield this actor and those below it only.
    """
    first = start or Place(0, root.life)
    yield first
    # Iterators and no list of places: 10,000 new objects at once would call the garbage collector,
    # which looks at the whole process, and holds everybody up while it does.
    families = [_family(first)]
    while families:
        place = next(families[-1], None)
        if place is None:
            families.pop()
            continue
        yield place
        families.append(_family(place))
        await pace.breathe()


def _family(place: Place) -> Iterator[Place]:
    supervisor = place.life.context.supervisor
    for child in supervisor.children() if supervisor is not None else ():
        if child.life is not None:
            yield Place(place.level + 1, child.life, child, supervisor)


async def find(root: Root, name: str, pace: Pace) -> Place | None:
    """Return where the actor of a name stands; None when there is none.

    It may also be one that has ended and that its supervisor will start again.
    """
    top = root.life
    if top.spec.name == name:
        return Place(0, top)
    families = [(1, top.context.supervisor)]
    while families:
        level, supervisor = families.pop()
        if supervisor is None:
            continue
        child = supervisor.child(name)
        if child is not None and child.life is not None:
            return Place(level, child.life, child, supervisor)
        for each in supervisor.children():
            if each.life is not None and each.life.context.supervisor is not None:
                families.append((level + 1, each.life.context.supervisor))
            await pace.breathe()
    return None
