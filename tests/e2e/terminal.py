"""A terminal with a program on it: keys in, the screen's text out."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Self

SEQUENCES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-_=>])")
CURSOR_POSITION_WANTED = b"\x1b[6n"
CTRL_C, CTRL_D, TAB = "\x03", "\x04", "\t"


class Terminal:
    """Runs a program on a pseudo-terminal of 100 columns."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._here, there = os.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=there,
            stdout=there,
            stderr=there,
            env={**os.environ, "TERM": "xterm", **env},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(there)
        self.screen = ""

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._here, keys.encode())

    def expect(self, words: str, within: float = 20.0) -> str:
        """Wait for words; return what stood before them, and forget both."""
        give_up_at = time.monotonic() + within
        while words not in self.screen:
            left = give_up_at - time.monotonic()
            assert left > 0, f"no {words!r} on the screen:\n{self.screen}"
            if select.select([self._here], [], [], left)[0]:
                data = os.read(self._here, 65536)
                if CURSOR_POSITION_WANTED in data:
                    os.write(self._here, b"\x1b[1;1R")
                self.screen += SEQUENCES.sub("", data.decode(errors="replace"))
        before, _, self.screen = self.screen.partition(words)
        return before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._here)
