"""Run a node until a signal, and stop it in the way the operator chose."""

import signal
import sys

import structlog
import trio

from runnerhub.actors.messages import CancelJob
from runnerhub.actors.wakeups import wait_at_most
from runnerhub.actors.world import World
from runnerhub.adapters.data_folder import DataFolder
from runnerhub.config import Settings
from runnerhub.model.outcome import SHUT_DOWN
from runnerhub.runtime import ActorDied, Bridge, MailboxFull, Root, Shutdown, run_until_signal
from runnerhub.runtime.garbage import frozen_when_old
from runnerhub.runtime.guest import run_guest
from runnerhub.service.wiring import build_node

log = structlog.get_logger(__name__)

REAP_SECONDS = 5.0
TICK_SECONDS = 0.2


def serve(settings: Settings) -> int:
    """Run a node until SIGINT or SIGTERM; return the exit code.

    Raises:
        DataFolderBusy: another process has the data folder.
    """
    with DataFolder.open(settings.data_dir) as folder:
        run_guest(_serve, settings, folder)
    return 0


async def _serve(bridge: Bridge, settings: Settings, folder: DataFolder) -> None:
    node = build_node(bridge, settings, folder.path, folder.node_id)
    shutdown = Shutdown()

    async def on_request() -> None:
        at_terminal = shutdown.signal is signal.SIGINT and sys.stdin.isatty()
        reap = settings.on_stop == "reap" or at_terminal
        await wind_down(node.world, node.root, settings.drain_seconds, reap=reap)

    # What is loaded by now stays. Each look through it for garbage held the loop for 90 ms.
    with frozen_when_old():
        await run_until_signal(node.root, shutdown, on_request=on_request)


async def wind_down(world: World, root: Root, drain_seconds: float, *, reap: bool) -> None:
    """Stop claiming, let jobs end for so long, then reap what is left where that is wanted."""
    world.claiming = False
    log.info("stopping", action="stopping", drain_seconds=drain_seconds, reap=reap)
    with trio.move_on_after(drain_seconds):
        await _until_idle(world)
    if reap:
        for ref in root.registry:
            if ref.kind == "job":
                try:
                    ref.tell(CancelJob(SHUT_DOWN))
                except (MailboxFull, ActorDied):
                    continue
        with trio.move_on_after(REAP_SECONDS):
            await _until_idle(world)


async def _until_idle(world: World) -> None:
    while not world.is_idle:
        await wait_at_most(world.work.ticket(), TICK_SECONDS)
