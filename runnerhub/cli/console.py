"""`runnerhub console`: look inside a running node, by commands at a prompt or one by `--exec`."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerhub.cli.client import fail, tell
from runnerhub.cli.options import Config, DataDir, settings_of
from runnerhub.cli.output import show_json
from runnerhub.console.client import Client, ConsoleLost
from runnerhub.console.grammar import COMMANDS, parse
from runnerhub.console.protocol import BadCommand, ConsoleError
from runnerhub.console.show import help_lines, lines_of, result_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

BACK_WITHIN_SECONDS = 60.0
LEAVE = frozenset({"exit", "quit"})
CLEAR = "\x1b[H\x1b[2J"


def console(
    *,
    execute: Annotated[
        str | None, typer.Option("--exec", help='Run this command, such as "tree", and end.')
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --exec.")] = False,
) -> None:
    """Look inside the node that runs on a data folder of this machine."""
    if as_json and execute is None:
        fail("--json needs --exec", 2)
    folder = settings_of(config, None, data_dir=data_dir).data_dir
    try:
        if execute is not None:
            _execute(folder, execute, as_json=as_json)
            return
        with Client(folder) as client:
            if sys.stdin.isatty():
                from runnerhub.cli.prompt import lines_at_prompt

                node = client.greeting
                typer.echo(f"node {node['node']}, pid {node['pid']}; `help` lists the commands")
                _converse(client, lines_at_prompt(folder, client))
            elif not _converse(client, sys.stdin):
                raise typer.Exit(1)
    except BadCommand as error:
        fail(str(error), 2)
    except ConsoleError as error:
        fail(str(error))


def _execute(folder: Any, line: str, *, as_json: bool) -> None:  # noqa: ANN401 - a Path
    if line.strip() == "help":
        _help(as_json=as_json)
        return
    command, args = parse(line)
    if command == "top":
        args.setdefault("count", 1)
    with Client(folder) as client:
        if as_json:
            _as_json(client, command, args)
        else:
            _for_people(client, command, args)


def _help(*, as_json: bool) -> None:
    if as_json:
        show_json({name: command.usage(name) for name, command in COMMANDS.items()})
    else:
        typer.echo("\n".join(help_lines()))


def _as_json(client: Client, command: str, args: dict[str, Any]) -> None:
    """Print one object; of `top` one for each look."""
    whole: dict[str, Any] = {}
    for part in _parts(client, command, args):
        if command == "top":
            show_json(part)
            sys.stdout.flush()
        for key, value in part.items():
            if isinstance(value, list):
                whole.setdefault(key, []).extend(value)
            else:
                whole[key] = value
    if command != "top":
        show_json(whole | client.result)


def _for_people(client: Client, command: str, args: dict[str, Any]) -> None:
    redraws = command == "top" and args.get("count") != 1 and sys.stdout.isatty()
    for part in _parts(client, command, args):
        text = "\n".join(lines_of(command, part))
        typer.echo(CLEAR + text if redraws else text)
    for line in result_lines(command, client.result):
        typer.echo(line)


def _parts(client: Client, command: str, args: dict[str, Any]) -> "Iterable[dict[str, Any]]":
    """Yield the parts; a restart that takes the console along is waited for."""
    group: list[str] = []
    try:
        for part in client.call(command, args):
            group = part.get("restarting", group)
            yield part
    except ConsoleLost:
        if "console" not in group:
            raise
        client.again(BACK_WITHIN_SECONDS)
        client.result = {"restarted": group}


def _converse(client: Client, lines: "Iterable[str]") -> bool:
    """Run commands line by line; tell whether all went well."""
    good = True
    for line in lines:
        words = line.strip()
        if words in LEAVE:
            break
        try:
            if words == "help":
                _help(as_json=False)
            elif words:
                _for_people(client, *parse(words))
        except KeyboardInterrupt:
            typer.echo()
        except ConsoleLost as error:
            tell(str(error))
            client.again(BACK_WITHIN_SECONDS)
            good = False
        except ConsoleError as error:
            tell(str(error))
            good = False
    return good
