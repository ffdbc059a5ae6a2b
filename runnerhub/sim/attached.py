"""The stdin of a simulated container, held open by somebody outside."""

import trio

from runnerhub.sim.container import SimContainer
from runnerhub.sim.world import World


class SimStdin:
    """`ports.engine.Stdin` of a simulated container."""

    def __init__(self, world: World, container: SimContainer) -> None:
        self._world = world
        self._generation = world.generation
        self._container = container

    async def send(self, data: bytes) -> None:
        """Write all of it."""
        await trio.lowlevel.checkpoint()
        self._world.check(self._generation)
        self._world.feed(self._container, data)
