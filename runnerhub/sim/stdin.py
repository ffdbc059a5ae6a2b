"""What a simulated process does with what it reads from stdin.

    sh                      runs each line; at the end of stdin it exits
    cat                     writes what it reads; at the end of stdin it exits
    sh -c WAIT TOKEN        waits to be handed a job, and becomes it (`model.handover`), unless
                            a program takes over (`programs`)

Without an open stdin the first two read nothing and exit at once.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from runnerhub.model.handover import NEVER_HANDED_CODE, is_waiting, never_handed, read_hand_over
from runnerhub.sim.script import Timeline, UnknownProgram, extend, run_line, timeline

TakesOver: TypeAlias = Callable[[Mapping[str, str]], bool]
Known: TypeAlias = Callable[[Sequence[str]], Timeline | None]
_SHELLS = (["sh"], ["/bin/sh"])


def _nobody(env: Mapping[str, str]) -> bool:
    del env
    return False


def _nothing(command: Sequence[str]) -> None:
    del command


def begin(
    command: Sequence[str],
    *,
    stdin: bool,
    takes_over: TakesOver = _nobody,
    known: Known = _nothing,
) -> "tuple[Timeline, Reader | None]":
    """Return what a process will do, and what reads its stdin if anything does.

    Args:
        command: what it runs.
        stdin: whether its stdin is open.
        takes_over: told the variables of a job that was handed over; whether something else
            runs it.
        known: what a command is said to do, that of a job that was handed over too.

    Raises:
        UnknownProgram: the command is none that runs here.
    """
    if not is_waiting(command) and (said := known(command)) is not None:
        return said, None
    if not Reader.reads(command):
        return timeline(command), None
    made = Timeline()
    reader = Reader(command, made, takes_over, known)
    if not stdin:
        reader.close(0.0)
    return made, reader if stdin else None


class Reader:
    """The part of a process that reads.

    Args:
        command: what the process runs.
        timeline: what it does; what it reads adds to that.
        takes_over: as for `begin`.
        known: as for `begin`.
    """

    def __init__(
        self,
        command: Sequence[str],
        timeline: Timeline,
        takes_over: TakesOver = _nobody,
        known: Known = _nothing,
    ) -> None:
        self._command = list(command)
        self._timeline = timeline
        self._takes_over = takes_over
        self._known = known
        self._is_over = False
        self._pending = b""
        self._busy = 0.0
        timeline.seconds = math.inf

    @staticmethod
    def reads(command: Sequence[str]) -> bool:
        """Tell whether a command reads its stdin."""
        return list(command) in (*_SHELLS, ["cat"]) or is_waiting(command)

    def feed(self, data: bytes, elapsed: float) -> None:
        """Take what was written on stdin so many seconds after the start."""
        if self._timeline.ended or self._is_over:
            return
        self._pending += data
        if is_waiting(self._command):
            job = read_hand_over(self._command[3], self._pending)
            if job is not None:
                self._become(*job, elapsed)
            return
        *lines, self._pending = self._pending.split(b"\n")
        for line in lines:
            self._read(line + b"\n", elapsed)

    def close(self, elapsed: float) -> None:
        """Read the end."""
        timeline = self._timeline
        if timeline.ended or self._is_over:
            return
        if is_waiting(self._command):
            timeline.seconds, timeline.ended = elapsed, True
            timeline.write(never_handed(self._command[3]), "stderr")
            timeline.exit_code = NEVER_HANDED_CODE
            return
        if self._pending:
            self._read(self._pending, elapsed)
        if not timeline.ended:
            timeline.seconds, timeline.ended = max(elapsed, self._busy), True

    def _read(self, line: bytes, elapsed: float) -> None:
        timeline = self._timeline
        if timeline.ended:
            return
        timeline.seconds = max(elapsed, self._busy)
        if self._command == ["cat"]:
            timeline.write(line)
        else:
            run_line(timeline, line.decode("utf-8", "replace"))
        self._busy = timeline.seconds
        if not timeline.ended:
            timeline.seconds = math.inf

    def _become(self, job: Sequence[str], env: Mapping[str, str], elapsed: float) -> None:
        self._is_over = self._takes_over(env)
        if self._is_over:
            return
        timeline = self._timeline
        timeline.seconds = elapsed
        try:
            if (said := self._known(job)) is not None:
                timeline.follow(said)
            else:
                extend(timeline, job)
        except UnknownProgram:
            timeline.write(f"sh: exec: {job[0]}: not found\n".encode(), "stderr")
            timeline.exit_code = 127
        timeline.ended = True
