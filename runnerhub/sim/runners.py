"""Runner registrations in memory."""

import trio

from runnerhub.model.runner import RunnerWish
from runnerhub.ports.runners import Registration, RunnerRefused, RunnersUnavailable


class MemoryRunners:
    """`ports.runners.Runners`, with a list of who is registered.

    Attributes:
        registered: by name: scope, and the runner's id.
        busy: names of runners that have a job.
        outage: whether nothing answers.
        refusal: why nobody may register; None when they may.
    """

    def __init__(self) -> None:
        self.registered: dict[str, tuple[str, int]] = {}
        self.busy: set[str] = set()
        self.outage = False
        self.refusal: str | None = None
        self._made = 0

    async def register(self, wish: RunnerWish, name: str) -> Registration:
        """Register a runner under this name."""
        await self._enter()
        if self.refusal is not None:
            raise RunnerRefused(self.refusal)
        if name in self.busy:
            raise RunnersUnavailable(f"the runner {name} is busy")
        self._made += 1
        self.registered[name] = (wish.scope, self._made)
        return Registration(self._made, f"blob-of-{name}")

    async def deregister(self, wish: RunnerWish, name: str) -> bool:
        """Deregister the runner of this name; tell whether none is left."""
        await self._enter()
        if name in self.busy:
            return False
        if self.registered.get(name, (wish.scope, 0))[0] == wish.scope:
            self.registered.pop(name, None)
        return True

    async def _enter(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.outage:
            raise RunnersUnavailable("GitHub does not answer")
