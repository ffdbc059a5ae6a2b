"""The guest's side: speak to the node that holds a data folder. Blocking, for a command line."""

import itertools
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from runnerhub.console.protocol import (
    LONGEST_LINE,
    SOCKET_NAME,
    VERSION,
    ConsoleError,
    decode,
    encode,
)

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
RESTART_SECONDS = 300.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.1
READ_BYTES = 1 << 16


class ConsoleLost(ConsoleError):
    """The node closed the connection, or does not answer any more."""


class Client:
    """A connection to a running node.

    Attributes:
        greeting: what the node said first: its id, pid and version.
        result: of the last call that went through.

    Raises:
        ConsoleError: no process answers there, or it speaks another version.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._ids = itertools.count(1)
        self.result: dict[str, Any] = {}
        self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def again(self, within_seconds: float) -> None:
        """Connect again, to a node that may be away for a moment.

        Raises:
            ConsoleError: it did not come back in time.
        """
        self.close()
        give_up_at = time.monotonic() + within_seconds
        while True:
            try:
                self._connect()
            except ConsoleError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(POLL_SECONDS)
            else:
                return

    def call(self, command: str, args: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the parts of an answer; `result` holds what came last.

        An iterator that is not read to its end, as by Ctrl-C, stops the command.

        Raises:
            ConsoleError: the node refused, or was lost (`ConsoleLost`).
        """
        number = next(self._ids)
        self._socket.settimeout(_patience(command, args))
        self._send({"v": VERSION, "id": number, "command": command, "args": dict(args)})
        done = False
        try:
            while True:
                message = self._receive(number)
                done = "part" not in message
                if done:
                    break
                yield message["part"]
        except ConsoleLost:
            done = True
            raise
        finally:
            if not done:
                self._stop(number)
        if not message.get("ok"):
            raise ConsoleError(str(message.get("error")))
        self.result = message["result"]

    def _stop(self, number: int) -> None:
        stop = next(self._ids)
        self._socket.settimeout(STOP_SECONDS)
        with suppress(ConsoleError):
            self._send({"v": VERSION, "id": stop, "command": "stop", "args": {"id": number}})
            while "part" in self._receive(number):
                pass

    def _connect(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._begun = bytearray()
        try:
            self._open()
        except BaseException:
            self._socket.close()
            raise

    def _open(self) -> None:
        where = self._data_dir / SOCKET_NAME
        self._socket.settimeout(CONNECT_SECONDS)
        try:
            folder = os.open(self._data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                # A deep folder's path is longer than a socket's address may be.
                self._socket.connect(f"/proc/self/fd/{folder}/{SOCKET_NAME}")
            finally:
                os.close(folder)
        except PermissionError:
            raise ConsoleError(f"{where} is another user's; run as the node's user") from None
        except OSError as error:
            why = error.strerror or "no answer"
            raise ConsoleError(
                f"no process answers at {where} ({why}); is `runnerhub serve` running there?"
            ) from None
        self.greeting = self._read()
        if "error" in self.greeting:
            raise ConsoleError(str(self.greeting["error"]))
        if self.greeting.get("console") != VERSION:
            theirs = self.greeting.get("version", "another version")
            raise ConsoleError(f"the node is runnerhub {theirs}; use the console of that version")

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.sendall(encode(message))
        except OSError as error:
            raise ConsoleLost(f"the node has gone: {error.strerror or error}") from None

    def _receive(self, number: int) -> dict[str, Any]:
        while True:
            message = self._read()
            if message.get("id") == number:
                return message

    def _read(self) -> dict[str, Any]:
        # A buffer of our own: Ctrl-C in the middle of a line must not lose its beginning.
        while b"\n" not in self._begun:
            try:
                data = self._socket.recv(READ_BYTES)
            except TimeoutError:
                raise ConsoleLost("the node does not answer") from None
            except OSError as error:
                raise ConsoleLost(f"the node has gone: {error.strerror or error}") from None
            if not data or len(self._begun) > LONGEST_LINE:
                raise ConsoleLost("the node has closed the console")
            self._begun += data
        line, _, self._begun = self._begun.partition(b"\n")
        return decode(line)


def _patience(command: str, args: Mapping[str, Any]) -> float:
    """Return the longest silence that is no reason to give up, in seconds."""
    own = {"restart": RESTART_SECONDS, "top": 60.0, "trace": float(args.get("seconds", 10.0))}
    return ANSWER_SECONDS + own.get(command, float(args.get("seconds", 0.0)))
