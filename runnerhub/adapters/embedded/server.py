"""What both embedded servers have in common: start, wait, stop.

    new ── start ──▶ running ── stop, or it dies ──▶ ended ── start ──▶ running …

A server belongs to the event loop that started it, and is driven by one actor: `start` and
`stop` are not called at the same time, `wait` may run beside `stop`.
"""

import abc
import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

from runnerhub.adapters.embedded import child
from runnerhub.adapters.embedded.errors import EmbeddedServerError

_HOUSEKEEPING_SECONDS = 600.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class RunningServer:
    """A server that answers.

    Attributes:
        url: Where to connect, a unix socket's path inside.
        pid: The server's process id.
    """

    url: str
    pid: int


class EmbeddedServer(abc.ABC):
    """One embedded server of one data folder, whose lock the caller holds."""

    name: str
    stop_signals: tuple[signal.Signals, ...]

    def __init__(self, data_dir: Path) -> None:
        # A server's current directory is free of links, and leftovers are told by it.
        self.data_dir = data_dir.resolve()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, timeout: float = 60.0) -> RunningServer:  # noqa: ASYNC109 - asyncio, not trio
        """Prepare the folder, end what an earlier life left, start, and wait until it answers.

        When cancelled or timed out, the server is ended and reaped before the error is raised.

        Args:
            timeout: Seconds until it must answer. Recovery after a crash reads the log written
                since the last checkpoint, which is bounded to seconds.

        Raises:
            EmbeddedServerError: It runs already, cannot be prepared, ended, or did not answer.
        """
        if self._process is not None and self._process.returncode is None:
            raise EmbeddedServerError(f"{self.name} runs already, as process {self._process.pid}.")
        process: asyncio.subprocess.Process | None = None
        try:
            async with asyncio.timeout(timeout):
                await self.prepare()
                process = await self.spawn()
                while not await self.answers(process.pid):
                    if process.returncode is not None:
                        raise EmbeddedServerError(
                            f"{self.name} ended while starting, exit code "
                            f"{process.returncode}:\n{self.log_tail()}"
                        )
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise EmbeddedServerError(
                f"{self.name} did not answer within {timeout:g} s:\n{self.log_tail()}"
            ) from error
        else:
            self._process, process = process, None
            return RunningServer(self.url(), self._process.pid)
        finally:
            if process is not None:
                await child.end(process, ())

    async def wait(self) -> int:
        """Wait until the server ends, keep its logs bounded meanwhile, return the exit code.

        A negative code is the signal that ended it. Cancelling leaves the server running.

        Raises:
            EmbeddedServerError: It was never started.
        """
        process = self._started()
        while process.returncode is None:
            self.keep_house()
            try:
                await asyncio.wait_for(process.wait(), _HOUSEKEEPING_SECONDS)
            except TimeoutError:
                continue
        return process.returncode

    async def stop(self, grace: float = 5.0) -> int:
        """End the server and return its exit code; one that has ended already is fine.

        When cancelled, it is killed and reaped before the cancellation goes on. Nothing that
        was committed is lost either way.

        Args:
            grace: Seconds for a clean end, after which harder signals follow, two seconds each.

        Raises:
            EmbeddedServerError: It was never started.
        """
        waits = [grace, *(2.0 for _ in self.stop_signals[1:])]
        return await child.end(self._started(), list(zip(self.stop_signals, waits, strict=True)))

    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise EmbeddedServerError(f"{self.name} was never started.")
        return self._process

    @abc.abstractmethod
    async def prepare(self) -> None:
        """Make the folder ready for a start, and reclaim what an earlier life left."""

    @abc.abstractmethod
    async def spawn(self) -> asyncio.subprocess.Process:
        """Start the process."""

    @abc.abstractmethod
    async def answers(self, pid: int) -> bool:
        """Tell whether the server with this pid takes connections now; never raises for a no."""

    @abc.abstractmethod
    def url(self) -> str:
        """Return the address for clients."""

    @abc.abstractmethod
    def keep_house(self) -> None:
        """Bound the logs; called every ten minutes while somebody waits."""

    @abc.abstractmethod
    def log_tail(self) -> str:
        """Return the last lines of the log, for an error message."""
