r"""What a simulated container does: its command, understood as a tiny language, as a timeline.

    echo WORDS [>&2]     sleep SECONDS     exit CODE     seq N     true     false     oom
    head -c N /dev/zero | tr '\0' CHARACTER          one long line without a newline
    sh -c 'A; B; C'      one after the other

    sh     cat           end at once; what they do with an open stdin, `stdin` says

`oom` is killed by the kernel's memory limit, and `sleep` ignores TERM, as it does as process 1.
"""

import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

_KILLED, _NOT_FOUND = 137, 127
_PIECE = 16384  # the engine's log cuts longer lines
_IDLE = ("sh", "/bin/sh", "cat")  # they do nothing but read; see `stdin`
_LONG_LINE = re.compile(r"head -c (\d+) /dev/zero \| tr '\\0' (\S)")


class UnknownProgram(Exception):
    """The engine finds no such program in the image."""


@dataclass(frozen=True, slots=True)
class Output:
    """Something written, so many seconds after the start."""

    after: float
    stream: str
    data: bytes


@dataclass(slots=True)
class Timeline:
    """All that a container will do, from its start on."""

    outputs: list[Output] = field(default_factory=list)
    seconds: float = 0.0
    exit_code: int = 0
    out_of_memory: bool = False
    ended: bool = False

    def write(self, data: bytes, stream: str = "stdout") -> None:
        """Write, as the engine's log has it: a line each, long ones in pieces."""
        for line in data.splitlines(keepends=True):
            for start in range(0, len(line), _PIECE):
                piece = line[start : start + _PIECE]
                self.outputs.append(Output(self.seconds, stream, piece))

    def follow(self, other: "Timeline") -> None:
        """Go on with what another does, and end as it does."""
        now = self.seconds
        self.outputs += [Output(now + each.after, each.stream, each.data) for each in other.outputs]
        self.seconds = now + other.seconds
        self.exit_code, self.ended = other.exit_code, other.ended


def timeline(command: Sequence[str]) -> Timeline:
    """Work out what a command does.

    Raises:
        UnknownProgram: it is none of those above.
    """
    made = Timeline()
    if command:
        extend(made, command)
    return made


def extend(made: Timeline, command: Sequence[str]) -> None:
    """Let a process go on as a command.

    Raises:
        UnknownProgram: it is none of those above.
    """
    if list(command[:2]) == ["sh", "-c"]:
        run_line(made, command[2])
    elif command[0] not in _IDLE and not _step(made, list(command)):
        raise UnknownProgram(f'exec: "{command[0]}": executable file not found in $PATH')


def run_line(made: Timeline, script: str) -> None:
    """Let a process go on with a line of shell."""
    for statement in script.split(";"):
        long_line = _LONG_LINE.fullmatch(statement.strip())
        if long_line:
            made.write(long_line[2].encode() * int(long_line[1]))
            continue
        words = shlex.split(statement)
        made.exit_code = 0
        if words and not _step(made, words):
            made.write(f"sh: {words[0]}: not found\n".encode(), "stderr")
            made.exit_code = _NOT_FOUND
        if made.ended:
            break


def _step(made: Timeline, words: list[str]) -> bool:
    stream = "stderr" if words[-1] in (">&2", "1>&2") else "stdout"
    match words if stream == "stdout" else words[:-1]:
        case ["echo", *rest]:
            made.write((" ".join(rest) + "\n").encode(), stream)
        case ["/pause"]:
            made.seconds = math.inf
        case ["sleep", seconds]:
            made.seconds += float(seconds)
        case ["seq", count]:
            made.write("".join(f"{n}\n" for n in range(1, int(count) + 1)).encode(), stream)
        case ["exit", code]:
            made.exit_code, made.ended = int(code), True
        case ["true"]:
            made.exit_code = 0
        case ["false"]:
            made.exit_code = 1
        case ["oom"]:
            made.exit_code, made.out_of_memory, made.ended = _KILLED, True, True
        case _:
            return False
    return True
