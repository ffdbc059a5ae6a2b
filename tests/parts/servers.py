"""What the private PostgreSQL and Redis have in common: start, stop, kill, freeze, close."""

import abc
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from runnerhub.adapters.embedded.child import clean_env, tied_command
from tests.parts.processes import end, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence


class Server(abc.ABC):
    """A server of our own in a folder of its own; use it in a `with` block, or call `close`.

    Data survives `stop`, `kill9` and `start`, and ends with `close`.
    """

    stop_signal: signal.Signals

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rh-t-s-", dir="/tmp"))
        self.prefix: Sequence[str] = ()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's process id; raises when it was not started."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, within: float = 30.0) -> Self:
        """Start and wait until it answers; one that runs already is fine."""
        if self.running:
            return self
        command = tied_command(self.command(), death_signal=self.stop_signal, prefix=self.prefix)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_env(), cwd="/"
            )
        try:
            wait_until(self._answers_or_ended, within, "the server answers")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{(self.folder / 'log').read_text()[-2000:]}") from None
        if self._process.poll() is not None:
            raise RuntimeError(f"ended at once\n{(self.folder / 'log').read_text()[-2000:]}")
        return self

    def _answers_or_ended(self) -> bool:
        return not self.running or self.answers()

    def stop(self, within: float = 15.0) -> None:
        """End it cleanly."""
        if self._process is not None:
            end(self._process, self.stop_signal, within)

    def kill9(self) -> None:
        """Kill it."""
        if self._process is not None:
            end(self._process, signal.SIGKILL, 5.0)

    def pause(self) -> None:
        """Freeze it: connections are accepted by the kernel and never answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its folder; harmless when repeated."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @abc.abstractmethod
    def command(self) -> list[str]:
        """Return the command that serves in the foreground."""

    @abc.abstractmethod
    def answers(self) -> bool:
        """Tell whether it takes connections."""

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()
