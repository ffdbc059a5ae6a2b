"""Kits: what a host keeps prepared ahead, and which jobs each fits. Pure.

    warm:POOL      a sandbox of the pool's image, started: its shell waits to be handed a job
    net:NETWORK    a private network, held by an idle container whose network the job joins

A kit serves one attempt and is destroyed with it.
"""

from dataclasses import dataclass

from runnerhub.model.handover import can_hand_over
from runnerhub.model.job import Execution, JobSpec, Network
from runnerhub.model.pool import Pool


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to keep ready on a host.

    Attributes:
        key: names the kind of kit.
        count: how many.
        pool: the pool whose sandboxes are kept warm; None for a network.
        network: of the kit.
    """

    key: str
    count: int
    network: Network
    pool: Pool | None = None

    @property
    def execution(self) -> Execution:
        """What a kit of this kind runs before it has a job."""
        if self.pool is None:
            return Execution("", network=self.network)
        return Execution(self.pool.image or "", resources=self.pool.resources, network=self.network)


def recipes(pools: tuple[Pool, ...], holders: int) -> tuple[Recipe, ...]:
    """Return what to keep ready: the pools' warm sandboxes, and so many isolated networks."""
    warm = [Recipe(f"warm:{p.name}", p.warm, p.network, p) for p in pools if p.warm]
    held = [Recipe(f"net:{Network.ISOLATED}", holders, Network.ISOLATED)] if holders else []
    return (*warm, *held)


def kits_for(spec: JobSpec, pool: Pool) -> tuple[str, ...]:
    """Return the kits that fit a job, the best first."""
    asked = spec.execution
    fitting = []
    if pool.warm and _fits(asked, pool):
        fitting.append(f"warm:{pool.name}")
    if asked.network is Network.ISOLATED:
        fitting.append(f"net:{asked.network}")
    return tuple(fitting)


def _fits(asked: Execution, pool: Pool) -> bool:
    """Tell whether what cannot change in a running container is as the job asks for it."""
    return (
        asked.image == pool.image
        and asked.network is pool.network
        and asked.resources.tmpfs_mb == pool.resources.tmpfs_mb
        and asked.resources.disk_mb == pool.resources.disk_mb
        and can_hand_over(asked.env)
    )
