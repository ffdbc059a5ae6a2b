"""The kits of one host: who made them, who took them.

put ─▶ preparing ─▶ ready ─▶ taken ─▶ dropped     the attempt is over: reaped with it
                       ▲        │
                       └────────┘ put back        the lease went to another job or node

Which attempt has a kit the ledger says alone: the attempt bears the kit's sandbox id.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from runnerhub.actors.wakeups import Wakeups
from runnerhub.model.kit import Recipe
from runnerhub.ports.engine import ImageConfig, Stdin


@dataclass(slots=True)
class Kit:
    """A sandbox, or a part of one, that was made before its job.

    Attributes:
        epoch: of the host's event stream when it was made.
        ready: whether a job can have it.
        taken: whether an attempt has it.
        stdin: of a warm sandbox, held open by whoever made it, until `over`.
        image: what the warm sandbox's image runs by itself.
        over: set once nobody needs it to be held any more.
    """

    sandbox_id: str
    recipe: Recipe
    epoch: int
    ready: bool = False
    taken: bool = False
    stdin: Stdin | None = None
    image: ImageConfig = field(default_factory=ImageConfig)
    over: trio.Event = field(default_factory=trio.Event)


class Shelf:
    """The kits of one host.

    Attributes:
        calm: set while no job is in a hurry; another event after the next one was.
        changed: wakes when a kit was taken or dropped.
    """

    def __init__(self) -> None:
        self._kits: dict[str, Kit] = {}
        self._hurried = 0
        self.calm = trio.Event()
        self.calm.set()
        self.changed = Wakeups()

    @property
    def ids(self) -> frozenset[str]:
        """The sandbox ids of all kits: no orphans, although no job in the ledger names them."""
        return frozenset(self._kits)

    def __iter__(self) -> Iterator[Kit]:
        return iter(tuple(self._kits.values()))

    def count(self, recipe: Recipe) -> int:
        """Count the kits of a kind that no attempt has, those being made included."""
        return sum(kit.recipe.key == recipe.key and not kit.taken for kit in self._kits.values())

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Let what is prepared ahead wait: the engine makes, or takes away, a job's sandbox."""
        self._hurried += 1
        if self.calm.is_set():
            self.calm = trio.Event()
        try:
            yield
        finally:
            self._hurried -= 1
            if not self._hurried:
                self.calm.set()

    def put(self, kit: Kit) -> None:
        """Put up a kit, before anything of it is created."""
        self._kits[kit.sandbox_id] = kit

    def take(self, keys: Sequence[str]) -> Kit | None:
        """Take the first kit that is ready, in the order of these keys."""
        for key in keys:
            for kit in self._kits.values():
                if kit.recipe.key == key and kit.ready and not kit.taken:
                    kit.taken = True
                    self.changed.notify()
                    return kit
        return None

    def put_back(self, sandbox_id: str) -> None:
        """Let another attempt have a kit that was taken and not used."""
        kit = self._kits.get(sandbox_id)
        if kit is not None:
            kit.taken = False

    def find(self, sandbox_id: str) -> Kit | None:
        """Return a kit, as long as it is not dropped."""
        return self._kits.get(sandbox_id)

    def drop(self, sandbox_id: str) -> None:
        """Forget a kit, and let go of it: from now on it is an attempt's, or an orphan."""
        kit = self._kits.pop(sandbox_id, None)
        if kit is not None:
            kit.over.set()
            self.changed.notify()
