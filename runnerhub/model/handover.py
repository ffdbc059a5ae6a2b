r"""How a warm sandbox is handed its job: a shell as process 1 reads it from stdin and becomes it.

    sh -c WAIT rh-0123456789ab  ◀── stdin ──  export HOME='/root'
                                              exec 'make' 'test' </dev/null
                                              rh-0123456789ab          the end: act on it

The job's process is the container's own, so its log, exit code and memory kill are too. Where
stdin ends before that last line (its node died), the shell says so and exits: whoever finds the
container knows that the job never began.
"""

import re
import shlex
from collections.abc import Mapping, Sequence

NEVER_HANDED_CODE = 97
_WAIT = (
    's=;while IFS= read -r l;do [ "$l" = "$0" ]&&eval "$s";s="$s$l\n";done;'
    f'echo "$0 was never handed a job">&2;exit {NEVER_HANDED_CODE}'
)
_EXPORTABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def wait_command(token: str) -> tuple[str, ...]:
    """Return the command of process 1 of a warm sandbox; needs a POSIX shell in the image."""
    return ("sh", "-c", _WAIT, token)


def is_waiting(command: Sequence[str]) -> bool:
    """Tell whether a command is that of `wait_command`."""
    return list(command[:3]) == ["sh", "-c", _WAIT]


def can_hand_over(env: Mapping[str, str]) -> bool:
    """Tell whether a shell can export these; a container's own environment takes any name."""
    return all(_EXPORTABLE.fullmatch(name) for name in env)


def hand_over(token: str, command: Sequence[str], env: Mapping[str, str]) -> bytes:
    """Return what to write on stdin.

    Args:
        token: the one that the shell was started with.
        command: of one word or more; the shell becomes it.
        env: variables beside those of the container.
    """
    lines = [f"export {name}={shlex.quote(value)}" for name, value in env.items()]
    lines += [f"exec {shlex.join(command)} </dev/null", token, ""]
    return "\n".join(lines).encode()


def read_hand_over(token: str, data: bytes) -> tuple[list[str], dict[str, str]] | None:
    """Return command and variables of a whole hand-over of `hand_over`'s, None for half of one."""
    head, _, rest = data.decode().rpartition(f"\n{token}\n")
    if rest or not head:
        return None
    words = shlex.split(head)
    at = words.index("exec")
    env = dict(word.split("=", 1) for word in words[:at] if "=" in word)
    return words[at + 1 : -1], env


def never_handed(token: str) -> bytes:
    """Return the line that a warm sandbox writes when it ends without a job."""
    return f"{token} was never handed a job\n".encode()
