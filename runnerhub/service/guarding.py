"""Look whether the egress guard stands on the hosts of this machine, and say where it does not."""

from typing import Any

import trio

from runnerhub.actors.world import World
from runnerhub.adapters.docker import guard
from runnerhub.runtime import ActorContext

LOOK_EVERY = 60.0
MISSING = (
    "no egress guard: jobs with network egress reach services of this host; `runnerhub host-guard`"
)
UNSEEN = "the egress guard of a host on another machine cannot be seen from here"


class GuardWatch:
    """Keep `guarded` and `warnings` of the hosts true."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Look now and then, until stopped."""
        ctx.started()
        while not ctx.stopping.is_set():
            here = await trio.to_thread.run_sync(guard_stands)
            for host in self._world.hosts.values():
                if host.url.startswith("unix://"):
                    host.guarded = here
                    host.warnings = () if here else (MISSING,)
                elif host.url.startswith("tcp://"):
                    host.warnings = (UNSEEN,)
            with trio.move_on_after(LOOK_EVERY):
                await ctx.stopping.wait()


def guard_stands() -> bool:
    """Tell whether the guard stands on this machine. It waits for the firewall."""
    try:
        return guard.check()
    except guard.GuardFailed:
        return False
