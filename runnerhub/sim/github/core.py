"""What every part of the simulated GitHub needs: clock, ids, agenda, faults, its address."""

import base64
import random
from collections import Counter

from runnerhub.sim.github.clock import Agenda, Clock
from runnerhub.sim.github.faults import Faults

_FIRST = {"job": 30_000_000_000, "run": 10_000_000_000, "delivery": 50_000_000_000}


class Core:
    """Shared by all parts.

    Attributes:
        url: where it is served, as clients and runners are told; without a slash at the end.
    """

    def __init__(self, clock: Clock, url: str, seed: int = 0, faults: Faults | None = None) -> None:
        self.clock = clock
        self.url = url
        self.agenda = Agenda(clock)
        self.faults = faults or Faults()
        self._random = random.Random(seed)  # noqa: S311 - a simulation: the same seed, the same ids
        self._ids: Counter[str] = Counter()

    def now(self) -> float:
        """Return the time, in seconds since 1970."""
        return self.clock.now()

    def next_id(self, kind: str) -> int:
        """Return a number that no other thing of a kind has."""
        self._ids[kind] += 1
        return _FIRST.get(kind, 0) + self._ids[kind]

    def secret(self, prefix: str = "", size: int = 36) -> str:
        """Return letters and digits that nobody guesses by accident."""
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        return prefix + "".join(self._random.choices(letters, k=size))

    def hex(self, size: int) -> str:
        """Return hex digits, as of a commit."""
        return f"{self._random.getrandbits(size * 4):0{size}x}"

    def uuid(self) -> str:
        """Return a UUID."""
        h = self.hex(32)
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"

    def noise(self, size: int) -> str:
        """Return random bytes in base64."""
        return base64.b64encode(self._random.randbytes(size)).decode()


def node_id(kind: str, number: int) -> str:
    """Return the id that GraphQL uses."""
    return base64.b64encode(f"0{len(kind)}:{kind}{number}".encode()).decode()
