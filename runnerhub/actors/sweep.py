"""The sweep: find what this cluster created and no live attempt names, and remove it.

The engine is listed FIRST and the ledger read after: names are durable before anything is
created, so whatever is listed and alive is in the ledger by then. A ledger that cannot be read
means: remove nothing.
"""

import structlog

from runnerhub.actors.world import HostState, World
from runnerhub.model.sandbox import LABEL_CLUSTER, LABEL_SANDBOX
from runnerhub.ports.engine import Engine
from runnerhub.ports.errors import EngineRefused

log = structlog.get_logger(__name__)


async def find_orphans(
    engine: Engine, cluster: str, live: frozenset[str]
) -> tuple[list[str], list[str]]:
    """Return the names of containers and networks of sandboxes that are not among the live."""
    label = f"{LABEL_CLUSTER}={cluster}"
    containers = [
        c.name for c in await engine.containers(label) if c.labels.get(LABEL_SANDBOX) not in live
    ]
    networks = [
        n.name for n in await engine.networks(label) if n.labels.get(LABEL_SANDBOX) not in live
    ]
    return containers, networks


async def sweep(world: World, host: HostState) -> int:
    """Sweep one host once; return how many things were removed.

    Cancelling it leaves the rest to the next sweep.

    Raises:
        Unavailable: the engine or the ledger does not answer; nothing more was removed.
    """
    containers, networks = await find_orphans(host.engine, world.cluster, frozenset())
    for network in await host.engine.networks(f"{LABEL_CLUSTER}={world.cluster}"):
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
