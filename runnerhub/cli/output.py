"""What commands print: tables and raw logs for people, JSON for programs."""

import json
import sys
from typing import Any

import typer

WIDE = 10_000


def show_json(value: object) -> None:
    """Print a value as JSON, in one line."""
    typer.echo(json.dumps(value))


def show_table(rows: list[dict[str, Any]], *columns: str) -> None:
    """Print rows for people; into a pipe each row is one line, and nothing is cut."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for column in columns:
        table.add_column(column, no_wrap=column in {"id", "name"}, overflow="fold")
    for row in rows:
        values = [row.get(column) for column in columns]
        table.add_row(*("" if value is None else _words(value) for value in values))
    # What a job or a host says is text, whatever brackets and colons stand in it.
    width = None if sys.stdout.isatty() else WIDE
    Console(markup=False, emoji=False, width=width).print(table)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


class RawLog:
    """Prints a log byte by byte as the job wrote it."""

    def __init__(self) -> None:
        self._last = b"\n"

    def write(self, part: bytes) -> None:
        """Print a part, at once."""
        sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
        self._last = part[-1:] or self._last

    def end_line(self) -> None:
        """See to it that what is printed next begins a line."""
        if self._last != b"\n":
            self.write(b"\n")


class JsonLog:
    """Prints a log as one JSON object a line: `{"line": "…"}`; what is no UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def write(self, part: bytes) -> None:
        """Print the lines that a part completes."""
        self._begun += part
        *lines, self._begun = self._begun.split(b"\n")
        for line in lines:
            self._show(line)
        sys.stdout.flush()

    def end_line(self) -> None:
        """Print the last line, should no line break have ended it."""
        if self._begun:
            self._show(self._begun)
            self._begun = bytearray()

    def _show(self, line: bytes | bytearray) -> None:
        show_json({"line": line.decode(errors="replace")})
