"""A simulated network, and where the engine finds a subnet for one that names none."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

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
    """

    spec: NetworkSpec
    network_id: str
    subnet: Subnet
    created_at: float

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
        wanted = ipaddress.ip_network(spec.subnet)
    except ValueError as error:
        raise BadParameter(f"invalid subnet {spec.subnet!r}: {error}") from None
    overlapping = None
    for other in existing:
        if other.spec.name == spec.name:
            raise NameConflict(f"network with name {spec.name} already exists")
        if wanted.overlaps(other.subnet):
            overlapping = other.spec.name
    if overlapping is not None:
        raise SubnetConflict(
            f"Pool overlaps with other one on this address space: {overlapping} has it"
        )
    return wanted


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
