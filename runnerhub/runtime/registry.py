"""Who bears which name now. One registry serves a whole tree.

A restarted actor is somebody new under an old name; that is why names are resolved for every
send, and a ref is not kept for longer than that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runnerhub.runtime.errors import ActorDied, NameTaken
from runnerhub.runtime.monitor import Down, Monitor, Reason
from runnerhub.runtime.recording import ROOM, Recording, Tap
from runnerhub.runtime.ref import ActorRef
from runnerhub.runtime.telemetry import Telemetry

AnyRef = ActorRef[Any]


class Registry:
    """Find living actors by name."""

    def __init__(self) -> None:
        self.telemetry = Telemetry()
        self._refs: dict[str, AnyRef] = {}
        self._taps: dict[str, Tap] = {}

    def __iter__(self) -> Iterator[AnyRef]:
        return iter(tuple(self._refs.values()))

    def __len__(self) -> int:
        return len(self._refs)

    def add(self, ref: AnyRef) -> None:
        """Give a name to a life, until its end.

        Raises:
            NameTaken: a living actor has the name.
        """
        if ref.name in self._refs:
            raise NameTaken(f"the name {ref.name} belongs to a living actor")
        self._refs[ref.name] = ref
        self.telemetry.of(ref.kind).live += 1
        if self._taps and (tap := self._taps.get(ref.name)) is not None:
            ref.tap = tap
            tap.began()
        ref.on_end = self._forget

    def whereis(self, name: str) -> AnyRef | None:
        """Return who bears the name now; None if nobody does."""
        return self._refs.get(name)

    def ref(self, name: str) -> AnyRef:
        """Return who bears the name now.

        Raises:
            ActorDied: nobody does.
        """
        ref = self._refs.get(name)
        if ref is None:
            raise ActorDied(f"there is no living actor named {name}")
        return ref

    @contextmanager
    def record(self, name: str, room: int = ROOM) -> Iterator[Recording]:
        """Record what whoever bears a name takes and handles, through all lives, until the end.

        Nothing is recorded of anybody else, and the actor never waits for who reads.

        Args:
            name: an actor's; it need not live yet.
            room: how many notes are kept; older ones make room.
        """
        tap = self._taps.get(name)
        if tap is None:
            tap = self._taps[name] = Tap(name)
        recording = tap.open(room)
        if (ref := self._refs.get(name)) is not None:
            ref.tap = tap
        try:
            yield recording
        finally:
            tap.close(recording)
            if not tap.recordings and self._taps.get(name) is tap:
                del self._taps[name]
                if (ref := self._refs.get(name)) is not None:
                    ref.tap = None

    def monitor(self, *actors: str | AnyRef) -> Monitor:
        """Return a monitor that watches these, by name or by ref.

        A name stands for the life that bears it now; for a name that nobody bears there is a
        `Down` with the reason `unknown` at once.
        """
        monitor = Monitor()
        for actor in actors:
            if isinstance(actor, ActorRef):
                monitor.watch(actor)
            elif (ref := self._refs.get(actor)) is not None:
                monitor.watch(ref)
            else:
                monitor.deliver(Down(actor, "unknown", Reason.UNKNOWN))
        return monitor

    def _forget(self, down: Down) -> None:
        ref = self._refs.pop(down.name)
        self.telemetry.of(down.kind).live -= 1
        if ref.tap is not None:
            ref.tap.ended(down)
