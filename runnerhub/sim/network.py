"""A simulated network, and where the engine finds a subnet for one that names none."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from runnerhub.ports.engine import NetworkSpec, NetworkState
from runnerhub.ports.errors import NameConflict, SubnetConflict
from runnerhub.sim.refusals import BadParameter, Forbidden

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network

# A real engine's default address pools, without its own bridge's.
_POOLS = (
    *(ipaddress.ip_network(f"172.{second}.0.0/16") for second in range(18, 32)),
    *ipaddress.ip_network("192.168.0.0/16").subnets(new_prefix=20),
)


@dataclass(slots=True)
class SimNetwork:
    """A network of a simulated engine.

    Attributes:
        created_at: a time of trio's clock.
        ends: the version of its addresses, and the first and the last of them.
    """

    spec: NetworkSpec
    network_id: str
    subnet: Subnet
    created_at: float
    ends: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.ends = _ends(self.subnet)

    def state(self) -> NetworkState:
        """Return what the engine says of it."""
        return NetworkState(
            self.spec.name, self.network_id, dict(self.spec.labels), (self.spec.subnet,)
        )


def check_network(spec: NetworkSpec, existing: Iterable[SimNetwork]) -> Subnet:
    """Return the subnet of a network that can be made.

    Raises:
        BadParameter: its subnet is none.
        NameConflict: there is one of this name.
        SubnetConflict: its subnet overlaps another's.
    """
    try:
        wanted = _subnet(spec.subnet)
    except ValueError as error:
        raise BadParameter(f"invalid subnet {spec.subnet!r}: {error}") from None
    overlapping, (version, first, last) = None, _ends(wanted)
    for other in existing:
        if other.spec.name == spec.name:
            raise NameConflict(f"network with name {spec.name} already exists")
        its_version, its_first, its_last = other.ends
        if version == its_version and first <= its_last and its_first <= last:
            overlapping = other.spec.name
    if overlapping is not None:
        raise SubnetConflict(
            f"Pool overlaps with other one on this address space: {overlapping} has it"
        )
    return wanted


# A node asks for the same subnets again and again.
@lru_cache(maxsize=4096)
def _subnet(text: str) -> Subnet:
    return ipaddress.ip_network(text)


def _ends(subnet: Subnet) -> tuple[int, int, int]:
    return subnet.version, int(subnet.network_address), int(subnet.broadcast_address)


def free_subnet(existing: Iterable[SimNetwork]) -> str:
    """Return a subnet of the engine's choice.

    Raises:
        Forbidden: all are taken.
    """
    taken = [network.subnet for network in existing]
    for pool in _POOLS:
        if not any(pool.overlaps(other) for other in taken):
            return str(pool)
    raise Forbidden(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to "
        "assign to the network"
    )
