"""What goes over the socket: one JSON object a line, UTF-8, at most `LONGEST_LINE` bytes.

    node    {"console": 1, "node": "…", "pid": 4711, "version": "0.1.0"}     once, at the start
    guest   {"v": 1, "id": 7, "command": "tree", "args": {"all": true}}
    node    {"id": 7, "part": {…}}                                           any number of them
    node    {"id": 7, "ok": true, "result": {…}}                             or
    node    {"id": 7, "ok": false, "error": "one line for a person"}
    guest   {"v": 1, "id": 8, "command": "stop", "args": {"id": 7}}          ends a live command

The guest chooses the ids. Several commands of one guest may run at once; their parts interleave.
Fields that a side does not know are passed over, so that adding one needs no new version.
"""

import json
from dataclasses import dataclass
from typing import Any

from runnerhub.errors import RunnerHubError

VERSION = 1
SOCKET_NAME = "console.sock"
LONGEST_LINE = 1 << 18
LONGEST_REQUEST = 1 << 14


class ConsoleError(RunnerHubError):
    """A command cannot be done; the message says why, in one line."""


class BadCommand(ConsoleError):
    """There is no such command, or it is not called like that."""


@dataclass(frozen=True, slots=True)
class Request:
    """A command of a guest."""

    id: int
    command: str
    args: dict[str, Any]


def encode(message: dict[str, Any]) -> bytes:
    """Return a message as a line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(
        errors="replace"
    ) + (b"\n")


def decode(line: bytes | bytearray) -> dict[str, Any]:
    """Return the object of a line.

    Raises:
        BadCommand: the line is no JSON object.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise BadCommand("a line must be one JSON object")
    return message


def read_request(message: dict[str, Any]) -> Request:
    """Return what a guest's message asks for.

    Raises:
        BadCommand: it is no request of this version.
    """
    if message.get("v") != VERSION:
        raise BadCommand(f"this node speaks version {VERSION} of the console's protocol")
    number, command, args = message.get("id"), message.get("command"), message.get("args", {})
    if not isinstance(number, int) or not isinstance(command, str) or not isinstance(args, dict):
        raise BadCommand("a request has an id, a command and args")
    return Request(number, command, args)
