"""What one actor takes and handles, while somebody wants to know.

    registry.record(name) ─▶ Tap (one per name) ─▶ Recording (one per reader, a ring of notes)

An actor whom nobody records has no tap, and pays one comparison for a message. One that is
recorded writes into rings and never waits: a reader who is slow finds that notes are missing.
"""

from collections import deque
from dataclasses import dataclass

import trio

from runnerhub.runtime.describe import describe
from runnerhub.runtime.monitor import Down

ROOM = 64


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that an actor did.

    Attributes:
        seq: from 1; a gap means that notes were dropped.
        at: on trio's clock.
        what: began, took, handled or ended.
        text: the message, or how the life ended.
        seconds: how long it was handled.
    """

    seq: int
    at: float
    what: str
    text: str = ""
    seconds: float | None = None


class Recording:
    """The latest notes about one actor, for one reader."""

    def __init__(self, room: int) -> None:
        self.noted = 0
        self._notes: deque[Note] = deque(maxlen=room)
        self._readers = trio.lowlevel.ParkingLot()

    def add(self, what: str, text: str, seconds: float | None) -> None:
        """Add a note; the oldest makes room."""
        self.noted += 1
        self._notes.append(Note(self.noted, trio.current_time(), what, text, seconds))
        self._readers.unpark_all()

    def after(self, seq: int = 0) -> tuple[Note, ...]:
        """Return the notes after one of them that are still there."""
        return tuple(note for note in self._notes if note.seq > seq)

    async def beyond(self, seq: int) -> None:
        """Wait until there are notes after this one. A checkpoint."""
        await trio.lowlevel.checkpoint()
        while self.noted <= seq:
            await self._readers.park()


class Tap:
    """Hands what an actor does to all that record it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.recordings: list[Recording] = []

    def open(self, room: int) -> Recording:
        """Record from now on."""
        recording = Recording(room)
        self.recordings.append(recording)
        return recording

    def close(self, recording: Recording) -> None:
        """Record no longer."""
        self.recordings.remove(recording)

    def began(self) -> None:
        """A life begins."""
        self._note("began")

    def took(self, message: object) -> None:
        """The actor takes a message."""
        self._note("took", describe(message))

    def handled(self, seconds: float) -> None:
        """The actor is done with the message that it took last."""
        self._note("handled", seconds=seconds)

    def ended(self, down: Down) -> None:
        """A life has ended."""
        error = f": {type(down.error).__name__}" if down.error is not None else ""
        self._note("ended", f"{down.reason}{error}")

    def _note(self, what: str, text: str = "", seconds: float | None = None) -> None:
        for recording in self.recordings:
            recording.add(what, text, seconds)
