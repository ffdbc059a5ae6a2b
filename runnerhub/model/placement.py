"""Which host may take a job. Pure; its refusals are data, so that a person can be told why."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runnerhub.model.job import JobSpec


@dataclass(frozen=True, slots=True)
class PlacementClass:
    """All that placement asks of a job. Jobs of one class share one sub-queue.

    Attributes:
        kits: what may have been prepared for them on a host, the best first.
    """

    labels: tuple[str, ...] = ()
    cpus: float = 0.0
    memory_mb: int = 0
    kits: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A stable text of the class, from which `parse_class` makes it again."""
        parts = [self.labels, self.cpus, self.memory_mb, *([self.kits] if self.kits else [])]
        return json.dumps(parts, separators=(",", ":"))


def class_of(spec: JobSpec, kits: tuple[str, ...] = ()) -> PlacementClass:
    """Return the placement class of a job, given the kits that fit it."""
    wanted = spec.execution.resources
    return PlacementClass(
        tuple(sorted({label.lower() for label in spec.labels})),
        wanted.cpus or 0.0,
        wanted.memory_mb or 0,
        kits,
    )


def parse_class(key: str) -> PlacementClass:
    """Make a class again from its key."""
    labels, cpus, memory_mb, *more = json.loads(key)
    return PlacementClass(
        tuple(labels), float(cpus), int(memory_mb), tuple(more[0] if more else ())
    )


@dataclass(frozen=True, slots=True)
class HostView:
    """What placement sees of a host.

    Attributes:
        free_slots: slots that nobody holds.
        trouble: why it takes no jobs just now (draining, unreachable, …); None when it does.
        cpus: cores of the engine; 0 while unknown.
        memory_mb: MiB of the engine; 0 while unknown.
        reserves: whether what jobs ask for is set aside for them.
        taken_cpus: cores that are set aside.
        taken_memory_mb: MiB that are set aside.
    """

    name: str
    labels: frozenset[str]
    slots: int
    free_slots: int
    trouble: str | None = None
    cpus: float = 0.0
    memory_mb: int = 0
    reserves: bool = False
    taken_cpus: float = 0.0
    taken_memory_mb: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one host does not take a job, in words. `lasting`: waiting will not change it."""

    host: str
    why: str
    lasting: bool


def refuse(wanted: PlacementClass, host: HostView) -> Refusal | None:
    """Return why a host does not take jobs of this class, or None when it does."""
    missing = sorted(set(wanted.labels) - host.labels)
    if missing:
        return Refusal(host.name, f"lacks the label {', '.join(missing)}", lasting=True)
    if host.cpus and wanted.cpus > host.cpus:
        return Refusal(host.name, f"has {host.cpus:g} cpus, not {wanted.cpus:g}", lasting=True)
    if host.memory_mb and wanted.memory_mb > host.memory_mb:
        words = f"has {host.memory_mb} MiB of memory, not {wanted.memory_mb}"
        return Refusal(host.name, words, lasting=True)
    if host.trouble is not None:
        return Refusal(host.name, host.trouble, lasting=False)
    if host.free_slots <= 0:
        return Refusal(host.name, f"all {host.slots} slots are taken", lasting=False)
    return refuse_reserving(wanted, host) if host.reserves else None


def refuse_reserving(wanted: PlacementClass, host: HostView) -> Refusal | None:
    """Return why what is set aside on a host leaves too little, or None when it does not."""
    if host.cpus and wanted.cpus > host.cpus - host.taken_cpus:
        return Refusal(host.name, f"has {host.taken_cpus:g} cpus reserved", lasting=False)
    if host.memory_mb and wanted.memory_mb > host.memory_mb - host.taken_memory_mb:
        words = f"has {host.taken_memory_mb} MiB of memory reserved"
        return Refusal(host.name, words, lasting=False)
    return None


def place(wanted: PlacementClass, hosts: Iterable[HostView]) -> HostView | list[Refusal]:
    """Return the host with the most free slots that takes the class, or every refusal."""
    refusals: list[Refusal] = []
    best: HostView | None = None
    for host in hosts:
        refusal = refuse(wanted, host)
        if refusal is not None:
            refusals.append(refusal)
        elif best is None or host.free_slots > best.free_slots:
            best = host
    return best if best is not None else refusals


def explain_waiting(wanted: PlacementClass, hosts: Sequence[HostView]) -> str:
    """Say in words why a job of this class is waiting."""
    answer = place(wanted, hosts)
    if isinstance(answer, HostView):
        return f"about to be taken by {answer.name}"
    if not answer:
        return "no Docker host is configured; add one with --docker-host NAME=URL"
    words = "; ".join(f"{refusal.host} {refusal.why}" for refusal in answer)
    prefix = "no host can ever run it" if all(r.lasting for r in answer) else "waiting"
    return f"{prefix}: {words}"
