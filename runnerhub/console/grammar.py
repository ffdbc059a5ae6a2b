"""Which commands there are, and how a line, or a program's arguments, become one of them."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runnerhub.console.protocol import BadCommand

LONGEST_WORD = 512


@dataclass(frozen=True, slots=True)
class Option:
    """`--name VALUE`, or a bare `--name` where the default is False."""

    default: bool | int | float | str
    help: str
    least: float = 0.0
    most: float = 3600.0
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Attributes:
        subject: what its one argument is: actor, host or job; None when it takes none.
        optional: whether the subject may be left out.
        live: whether its parts are shown as they come, and Ctrl-C ends it.
    """

    help: str
    subject: str | None = None
    optional: bool = False
    live: bool = False
    options: Mapping[str, Option] | None = None

    def usage(self, name: str) -> str:
        """Return how it is called."""
        words = [name]
        if self.subject is not None:
            words.append(f"[{self.subject.upper()}]" if self.optional else self.subject.upper())
        for option, what in (self.options or {}).items():
            value = "" if what.default is False else f" {'|'.join(what.choices) or 'N'}"
            words.append(f"[--{option}{value}]")
        return " ".join(words)


COMMANDS: Mapping[str, Command] = {
    "tree": Command(
        "the running actors: phase, what waits, restarts",
        subject="actor",
        optional=True,
        options={"all": Option(default=False, help="every one, up to 20,000")},
    ),
    "actor": Command(
        "one actor: its state, recent messages and stack; records its messages from then on",
        subject="actor",
        options={"seconds": Option(1.0, "how long to watch it first", most=60)},
    ),
    "top": Command(
        "who handles most, live",
        live=True,
        options={
            "interval": Option(1.0, "seconds between looks", least=0.2, most=60),
            "count": Option(0, "how many looks; 0: until stopped", most=86400),
            "by": Option("messages", "the order", choices=("messages", "time", "waiting")),
            "limit": Option(15, "how many actors", least=1, most=100),
        },
    ),
    "trace": Command(
        "what happens to one job, live",
        subject="job",
        live=True,
        options={"seconds": Option(10.0, "for how long", most=3600)},
    ),
    "restart": Command("stop an actor, and those that build on it, and start them", "actor"),
    "drain": Command("let a host take no more jobs", "host"),
    "undrain": Command("let a host take jobs again", "host"),
    "names": Command(
        "names that begin so, for completion",
        subject="prefix",
        optional=True,
        options={"of": Option("actor", "whose", choices=("actor", "host", "job"))},
    ),
}


def parse(line: str) -> tuple[str, dict[str, Any]]:
    """Return the command of a line, and its arguments as far as they are given.

    Raises:
        BadCommand: there is no such command, or it is not called like that.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise BadCommand(f"{error}".lower()) from None
    if not words:
        raise BadCommand("no command; `help` lists them")
    name, *rest = words
    command = _command(name)
    args: dict[str, Any] = {}
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            if command.subject is None or command.subject in args:
                raise BadCommand(f"{word!r} is too much; usage: {command.usage(name)}")
            args[command.subject] = word
            continue
        key, has_value, value = word[2:].partition("=")
        option = (command.options or {}).get(key)
        if option is None:
            raise BadCommand(f"{name} has no --{key}; usage: {command.usage(name)}")
        if option.default is False:
            args[key] = True
        elif has_value or rest:
            args[key] = _typed(value if has_value else rest.pop(0), option)
        else:
            raise BadCommand(f"--{key} needs a value; usage: {command.usage(name)}")
    check(name, args)
    return name, args


def check(name: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with the defaults filled in.

    Raises:
        BadCommand: there is no such command, or it does not take these.
    """
    command = _command(name)
    options = command.options or {}
    for key in args:
        if key not in options and key != command.subject:
            raise BadCommand(f"{name} takes no {key!r}; usage: {command.usage(name)}")
    whole: dict[str, Any] = {key: option.default for key, option in options.items()}
    whole |= args
    for key, option in options.items():
        _check_option(key, whole[key], option)
    if command.subject is not None:
        subject = whole.setdefault(command.subject, None)
        if subject is None and not command.optional:
            raise BadCommand(f"{name} needs a name; usage: {command.usage(name)}")
        if subject is not None and (not isinstance(subject, str) or len(subject) > LONGEST_WORD):
            raise BadCommand(f"the {command.subject} must be a name")
    return whole


def _command(name: str) -> Command:
    command = COMMANDS.get(name)
    if command is None:
        raise BadCommand(f"there is no command {name[:40]!r}; `help` lists them")
    return command


def _typed(word: str, option: Option) -> object:
    if isinstance(option.default, str):
        return word
    try:
        return type(option.default)(word)
    except ValueError:
        return word


def _check_option(key: str, value: object, option: Option) -> None:
    if option.choices:
        if value not in option.choices:
            raise BadCommand(f"--{key} must be one of {', '.join(option.choices)}")
    elif isinstance(option.default, bool):
        if not isinstance(value, bool):
            raise BadCommand(f"--{key} must be true or false")
    else:
        whole = isinstance(option.default, int)
        kinds = (int,) if whole else (int, float)
        fits = isinstance(value, kinds) and not isinstance(value, bool)
        if not fits or not option.least <= value <= option.most:  # type: ignore[operator]
            kind = "a whole number" if whole else "a number"
            raise BadCommand(f"--{key} must be {kind} from {option.least:g} to {option.most:g}")
