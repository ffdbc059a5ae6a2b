"""A network namespace of a test host's own, with or without a cable to ours.

An engine in a namespace of its own has its own bridges, routes and firewall, so that several
run side by side and none touches the machine's. `nsenter` enters it: `ip netns exec` would
hide the version-1 cgroups.
"""

import random
import secrets
import subprocess
from pathlib import Path

_TRIES = 8


class Namespace:
    """A network namespace; `close` removes it with its cable.

    Attributes:
        prefix: What to put in front of a command that shall run inside.
        address: Its address on the cable, None without one.
        outside: Our address at the other end: what containers inside see as the outside.
    """

    def __init__(self, *, cable: bool = False) -> None:
        self.name = f"rh-t-{secrets.token_hex(3)}"
        self.prefix = ["nsenter", f"--net=/run/netns/{self.name}"]
        self.address: str | None = None
        self.outside: str | None = None
        self._ours: str | None = None
        _run("ip", "netns", "add", self.name)
        try:
            _run(*self.prefix, "ip", "link", "set", "lo", "up")
            if cable:
                self._lay_cable()
        except BaseException:
            self.close()
            raise

    def _lay_cable(self) -> None:
        # 10.213.0.0/16 in pieces of four addresses; another run on this machine may hold one.
        for attempt in range(_TRIES):
            piece = random.randrange(1 << 14) * 4  # noqa: S311 - no secret
            net = f"10.213.{piece // 256}."
            ours, theirs = f"{net}{piece % 256 + 1}", f"{net}{piece % 256 + 2}"
            taken = subprocess.run(
                ["ip", "-o", "addr", "show", "to", f"{ours}/30"],
                check=True,
                capture_output=True,
            ).stdout
            if not taken:
                break
            if attempt == _TRIES - 1:
                raise RuntimeError("no free piece of 10.213.0.0/16 found")
        self._ours = self.name.replace("rh-t-", "rht")
        _run("ip", "link", "add", self._ours, "type", "veth", "peer", "up0", "netns", self.name)
        _run("ip", "addr", "add", f"{ours}/30", "dev", self._ours)
        _run("ip", "link", "set", self._ours, "up")
        _run(*self.prefix, "ip", "addr", "add", f"{theirs}/30", "dev", "up0")
        _run(*self.prefix, "ip", "link", "set", "up0", "up")
        _run(*self.prefix, "ip", "route", "add", "default", "via", ours)
        self.address, self.outside = theirs, ours

    def unplug(self) -> None:
        """Take our end of the cable down: packets vanish, no connection is reset."""
        _run("ip", "link", "set", str(self._ours), "down")

    def plug(self) -> None:
        """Put the cable back."""
        _run("ip", "link", "set", str(self._ours), "up")
        if self._ours and self.outside:
            _run(*self.prefix, "ip", "route", "replace", "default", "via", self.outside)

    def close(self) -> None:
        """Remove the cable and the namespace; what still runs inside keeps it alive unseen."""
        if self._ours:
            subprocess.run(["ip", "link", "del", self._ours], check=False, capture_output=True)
        if Path(f"/run/netns/{self.name}").exists():
            _run("ip", "netns", "del", self.name)


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
