r"""What a file says of simulated containers: how long they run, what they write, how they end.

[[command]]
command = "npm test*"           pattern of the words, joined by spaces; "*" when not given
image = "node:*"                pattern of the image; "*" when not given
chance = 0.1                    of each start that matches; else what matches next is asked
prints = "1 test failed\n"      written at the start
seconds = 30.0                  how long it runs; [20.0, 90.0]: evenly between, by the seed
exit_code = 1

The first that matches counts. What none matches does as `script` says.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Any

from runnerhub.sim.plan import BadPlan
from runnerhub.sim.script import Timeline

_HIGHEST_CODE = 255


@dataclass(frozen=True, slots=True)
class Command:
    """What a container does whose image and command match."""

    command: str = "*"
    image: str = "*"
    chance: float = 1.0
    prints: str = ""
    seconds: tuple[float, float] = (0.0, 0.0)
    exit_code: int = 0


class Commands:
    """The commands of one host.

    Args:
        commands: the first that matches counts.
        seed: of the chances and durations; the same starts in the same order do the same again.
    """

    def __init__(self, commands: Sequence[Command], seed: str) -> None:
        self._commands = commands
        self._dice = Random(seed)  # noqa: S311 - it is to repeat

    def timeline(self, image: str, words: Sequence[str]) -> Timeline | None:
        """Return what a container does that starts now, None when no command matches."""
        text = " ".join(words)
        for each in self._commands:
            if not (fnmatchcase(text, each.command) and fnmatchcase(image, each.image)):
                continue
            if each.chance < 1 and self._dice.random() >= each.chance:
                continue
            made = Timeline()
            made.write(each.prints.encode())
            made.seconds = self._dice.uniform(*each.seconds)
            made.exit_code, made.ended = each.exit_code, True
            return made
        return None


def load_commands(path: Path) -> tuple[Command, ...]:
    """Read a file of commands.

    Raises:
        BadPlan: it cannot be read, or says what nobody understands; in one line.
    """
    try:
        return parse_commands(tomllib.loads(path.read_text()))
    except OSError as error:
        raise BadPlan(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeError, BadPlan) as error:
        raise BadPlan(f"{path}: {error}") from None


def parse_commands(found: Mapping[str, Any]) -> tuple[Command, ...]:
    """Read what such a file holds; raise BadPlan."""
    tables = found.get("command", [])
    if set(found) - {"command"} or not isinstance(tables, list):
        raise BadPlan("write each as a table [[command]], and nothing else")
    return tuple(_command(each, number) for number, each in enumerate(tables, 1))


def _command(found: Any, number: int) -> Command:  # noqa: ANN401 - of a file
    where = f"command {number}: "
    known = [each.name for each in fields(Command)]
    if not isinstance(found, Mapping) or set(found) - set(known):
        raise BadPlan(f"{where}a table is needed that holds {', '.join(known)} only")
    values: dict[str, Any] = {name: _value(name, value, where) for name, value in found.items()}
    return Command(**values)


def _value(name: str, value: Any, where: str) -> object:  # noqa: ANN401
    match name:
        case "command" | "image" | "prints":
            if isinstance(value, str):
                return value
            raise BadPlan(f"{where}{name}: a text is needed, not {value!r}")
        case "exit_code":
            if type(value) is int and 0 <= value <= _HIGHEST_CODE:
                return value
            raise BadPlan(f"{where}exit_code: 0 to {_HIGHEST_CODE} is needed, not {value!r}")
        case "chance":
            if _is_number(value) and value <= 1:
                return value
            raise BadPlan(f"{where}chance: 0 to 1 is needed, not {value!r}")
        case _:
            pair = value if isinstance(value, list) else [value, value]
            if len(pair) == 2 and all(map(_is_number, pair)) and pair[0] <= pair[1]:  # noqa: PLR2004
                return tuple(pair)
            raise BadPlan(f"{where}seconds: a number or [least, most] is needed, not {value!r}")


def _is_number(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
