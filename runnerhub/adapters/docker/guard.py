"""The firewall rules that keep a Docker host's own services off our bridges.

A sandbox with the network `egress` has a gateway: an address of the host. Whatever listens on the
host listens there too. So on bridges named `rh-*`:

    to the host      nothing but answers to what the host itself began (chain INPUT)
    to each other    nothing (chain DOCKER-USER, which Docker leaves to the administrator);
                     inside one bridge everything, which is a job and its services

Docker keeps its bridges apart by rules of its own. The second rule says it once more for ours,
because those are lost to whoever flushes the firewall or switches Docker's rules off. Names still
resolve: Docker's resolver sits inside the sandbox and asks outwards from there. A resolver that
runs on the host itself, at an address of the host, is kept off like all else.

The rules live in two chains of our own, so that installing is idempotent and removing is exact.
They name no network, so they hold for every job to come. They must be installed on each host.
"""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runnerhub.errors import RunnerHubError

BRIDGES = "rh-+"  # iptables' way to write rh-*
_TO_HOST, _TO_OTHERS = "RUNNERHUB-HOST", "RUNNERHUB-BRIDGES"
_SECONDS = 20.0

Rule = tuple[str, ...]
Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


class GuardFailed(RunnerHubError):
    """The firewall would not take the rules, or cannot be asked."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of ours, and the rule of a built-in chain that jumps into it.

    Attributes:
        parent: the chain that jumps here.
        match: which packets jump.
        rules: what happens to them, in order.
    """

    name: str
    parent: str
    match: Rule
    rules: tuple[Rule, ...]

    @property
    def jump(self) -> Rule:
        """The rule in the parent."""
        return (*self.match, "-j", self.name)


def chains() -> tuple[Chain, ...]:
    """Return the whole guard."""
    answers = ("-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN")
    # Frames inside one bridge pass this chain too, where bridges are made to call iptables.
    inside = ("-m", "physdev", "--physdev-is-bridged", "-j", "RETURN")
    return (
        Chain(_TO_HOST, "INPUT", ("-i", BRIDGES), (answers, ("-j", "DROP"))),
        Chain(
            _TO_OTHERS,
            "DOCKER-USER",
            ("-i", BRIDGES, "-o", BRIDGES),
            (inside, ("-j", "DROP")),
        ),
    )


def install_commands() -> tuple[Rule, ...]:
    """Return the commands that install the guard on a host without it, as for a person."""
    commands: list[Rule] = []
    for chain in chains():
        commands.append(("iptables", "-w", "-N", chain.name))
        commands += [("iptables", "-w", "-A", chain.name, *rule) for rule in chain.rules]
        commands.append(("iptables", "-w", "-I", chain.parent, "1", *chain.jump))
    return tuple(commands)


def remove_commands() -> tuple[Rule, ...]:
    """Return the commands that remove the guard."""
    commands: list[Rule] = []
    for chain in chains():
        commands.append(("iptables", "-w", "-D", chain.parent, *chain.jump))
        commands.append(("iptables", "-w", "-F", chain.name))
        commands.append(("iptables", "-w", "-X", chain.name))
    return tuple(commands)


def install(prefix: Sequence[str] = ()) -> None:
    """Install the guard, or renew it. No packet slips through while it is renewed.

    Args:
        prefix: what to put in front of each command, to enter another network namespace.

    Raises:
        GuardFailed: there is no iptables, no right to use it, or a rule that it does not know.
    """
    run = _runner(prefix)
    for chain in chains():
        if chain.parent == "DOCKER-USER":
            run(("-N", chain.parent))  # Docker makes it, and keeps one that is there already
        run(("-N", chain.name))
        had = _count(run, chain.name)
        for rule in chain.rules:
            _must(run, ("-A", chain.name, *rule))
        for _ in range(had):
            _must(run, ("-D", chain.name, "1"))
        # The jump goes to the head anew even if it exists: another rule may stand before it.
        before = run(("-C", chain.parent, *chain.jump)).returncode == 0
        _must(run, ("-I", chain.parent, "1", *chain.jump))
        if before:
            _remove_later_jumps(run, chain)


def check(prefix: Sequence[str] = ()) -> bool:
    """Tell whether the guard is whole, and first in its chains.

    Raises:
        GuardFailed: there is no iptables, or no right to ask it.
    """
    run = _runner(prefix)
    _must(run, ("-S", "INPUT"))
    for chain in chains():
        head = [line for line in _listed(run, chain.parent) if line.startswith("-A ")][:1]
        if not head or f"-j {chain.name}" not in head[0]:
            return False
        if run(("-C", chain.parent, *chain.jump)).returncode:
            return False
        if _count(run, chain.name) != len(chain.rules):
            return False
        if any(run(("-C", chain.name, *rule)).returncode for rule in chain.rules):
            return False
    return True


def remove(prefix: Sequence[str] = ()) -> None:
    """Remove the guard; no error when it is not there."""
    run = _runner(prefix)
    for chain in chains():
        while run(("-D", chain.parent, *chain.jump)).returncode == 0:
            pass
        if run(("-F", chain.name)).returncode == 0:
            _must(run, ("-X", chain.name))


def _remove_later_jumps(run: Run, chain: Chain) -> None:
    rules = [line for line in _listed(run, chain.parent) if line.startswith("-A ")]
    for number in range(len(rules), 1, -1):
        if rules[number - 1].endswith(f"-j {chain.name}"):
            _must(run, ("-D", chain.parent, str(number)))


def _listed(run: Run, chain: str) -> list[str]:
    return run(("-S", chain)).stdout.splitlines()


def _count(run: Run, chain: str) -> int:
    return sum(line.startswith("-A ") for line in _listed(run, chain))


def _must(run: Run, arguments: Rule) -> None:
    done = run(arguments)
    if done.returncode:
        words = f"iptables {' '.join(arguments)}: {done.stderr.strip()}"
        raise GuardFailed(words)


def _runner(prefix: Sequence[str]) -> Run:
    if shutil.which("iptables") is None:
        raise GuardFailed("iptables is not installed on this machine")

    def run(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        command = [*prefix, "iptables", "-w", *arguments]
        try:
            return subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GuardFailed(f"iptables cannot be run: {error}") from None

    return run
