"""Small subnets from one range, for a private network per job.

An engine's own address pools are spent after about thirty networks, so each network names its
subnet. Taken round robin: a subnet just given back may still be torn down.
"""

import ipaddress


class SubnetsSpent(Exception):
    """Every subnet of the range is taken or blocked."""


class SubnetPool:
    """Hand out subnets of a range.

    Args:
        cidr: the range, such as 10.231.0.0/16.
        prefix: length of each subnet; 28 leaves room for 13 containers.
    """

    def __init__(self, cidr: str, prefix: int = 28) -> None:
        network = ipaddress.ip_network(cidr)
        self._base = int(network.network_address)
        self._size = 1 << (network.max_prefixlen - prefix)
        self._prefix = prefix
        self._count = network.num_addresses // self._size
        self._next = 0
        self._taken: dict[str, str] = {}
        self._blocked: set[str] = set()

    def take(self, owner: str) -> str:
        """Take a subnet for an owner; the one it has already, if any.

        Raises:
            SubnetsSpent: none is free.
        """
        for subnet, holder in self._taken.items():
            if holder == owner:
                return subnet
        for _ in range(self._count):
            address = ipaddress.ip_address(self._base + self._next * self._size)
            subnet = f"{address}/{self._prefix}"
            self._next = (self._next + 1) % self._count
            if subnet not in self._taken and subnet not in self._blocked:
                self._taken[subnet] = owner
                return subnet
        raise SubnetsSpent(f"all {self._count} subnets are taken; widen subnet_range")

    def block(self, owner: str) -> None:
        """Somebody else uses what this owner was given: set it aside for good."""
        for subnet, holder in tuple(self._taken.items()):
            if holder == owner:
                del self._taken[subnet]
                self._blocked.add(subnet)

    def note(self, subnet: str, owner: str) -> None:
        """Note that an owner from an earlier life has a subnet."""
        self._taken.setdefault(subnet, owner)

    def give_back(self, owner: str) -> None:
        """Free what an owner has."""
        for subnet, holder in tuple(self._taken.items()):
            if holder == owner:
                del self._taken[subnet]
