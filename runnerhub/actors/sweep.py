"""The sweep: find what this cluster created and no live attempt names, and remove it.

The engine is listed FIRST and the ledger read after: names are durable before anything is
created, so whatever is listed and alive is in the ledger by then. A ledger that cannot be read
means: remove nothing.
"""

from collections.abc import Iterable

import structlog

from runnerhub.actors.world import HostState, World
from runnerhub.model.sandbox import LABEL_CLUSTER, LABEL_SANDBOX
from runnerhub.ports.engine import ContainerState
from runnerhub.ports.errors import EngineRefused

log = structlog.get_logger(__name__)


def running(listed: Iterable[ContainerState]) -> frozenset[str]:
    """Return the names of those that run."""
    return frozenset(each.name for each in listed if each.status in {"running", "paused"})


async def sweep(world: World, host: HostState) -> int:
    """Sweep one host once; return how many things were removed.

    Whoever watches a container that does not run is woken: nobody relies on the event stream
    alone for longer than from sweep to sweep. Cancelling it leaves the rest to the next sweep.

    Raises:
        Unavailable: the engine or the ledger does not answer; nothing more was removed.
    """
    label = f"{LABEL_CLUSTER}={world.cluster}"
    listed = await host.engine.containers(label)
    host.changed.notify_others(running(listed))
    containers = [each.name for each in listed]
    networks = []
    for network in await host.engine.networks(label):
        networks.append(network.name)
        for subnet in network.subnets:
            world.subnets.note(subnet, network.labels.get(LABEL_SANDBOX, ""))
    if not containers and not networks:
        return 0
    # What was prepared, or is being leased, when the ledger was read is in it later, if at all.
    known = host.shelf.ids | host.held
    live = known | await world.ledger.live_sandboxes(host.name)
    removed = 0
    for name in containers:
        if sandbox_of(name) not in live and host.trusted:
            removed += await host.engine.remove_container(name)
    for name in networks:
        if sandbox_of(name) not in live and host.trusted:
            try:
                removed += await host.engine.remove_network(name)
                world.subnets.give_back(sandbox_of(name))
            except EngineRefused as error:
                log.warning("network stays", action="sweep_refused", network=name, error=str(error))
    if removed:
        log.warning("orphans reaped", action="orphans_reaped", host=host.name, count=removed)
    return removed


def sandbox_of(name: str) -> str:
    """Return the sandbox id in the name of a container or network of ours."""
    return name.split("-")[1] if name.startswith("rh-") else name
