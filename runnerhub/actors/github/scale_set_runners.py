"""`ports.runners.Runners` for runners that register through a scale set.

The name is noted in the ledger before anything is registered under it, and forgotten once nothing
is left: so what a crash leaves is found without asking GitHub for lists.
"""

import trio

from runnerhub.actors.github.scale_set_desk import ScaleSetDesk
from runnerhub.model.runner import RunnerWish
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.ports.runners import Registration, RunnerRefused, Runners, RunnersUnavailable
from runnerhub.ports.scale_sets import ScaleSetRefused, ScaleSetsUnavailable

MOST_TRIES = 4
FIRST_PAUSE = 0.25
CONFLICT = 409


class ScaleSetRunners(Runners):
    """Register runners, under names that nobody else gives."""

    def __init__(self, desk: ScaleSetDesk) -> None:
        self._desk = desk

    async def register(self, wish: RunnerWish, name: str) -> Registration:
        """Register a runner; one that is left of an earlier try is replaced."""
        if wish.scale_set is None:
            raise RunnerRefused(f"the runner {name} belongs to no scale set")
        try:
            await self._desk.ledger.note_runner(name, wish)
        except LedgerUnavailable as error:
            raise RunnersUnavailable(str(error)) from error
        attempt = 1
        while True:
            try:
                return await self._desk.service.register(wish.scope, wish.scale_set, name)
            except ScaleSetsUnavailable as error:
                if attempt == MOST_TRIES:
                    raise RunnersUnavailable(str(error)) from error
            except ScaleSetRefused as error:
                if error.status != CONFLICT:
                    raise RunnerRefused(str(error)) from error
                # Only we give this name, so it is what a lost answer or an earlier try left.
                if attempt == MOST_TRIES or not await self._remove(wish, name):
                    raise RunnersUnavailable(f"the name {name} stays taken") from error
            await trio.sleep(FIRST_PAUSE * 2**attempt)
            attempt += 1

    async def deregister(self, wish: RunnerWish, name: str) -> bool:
        """Deregister the runner of this name; tell whether none is left."""
        if not await self._remove(wish, name):
            return False
        try:
            await self._desk.ledger.forget_runner(name)
        except LedgerUnavailable as error:
            raise RunnersUnavailable(str(error)) from error
        return True

    async def _remove(self, wish: RunnerWish, name: str) -> bool:
        try:
            return await self._desk.service.deregister(wish.scope, name)
        except ScaleSetsUnavailable as error:
            raise RunnersUnavailable(str(error)) from error
        except ScaleSetRefused as error:
            raise RunnerRefused(str(error)) from error
