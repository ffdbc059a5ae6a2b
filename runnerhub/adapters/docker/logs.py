"""A container's log, followed to its end. Each `receive` reads what it needs; no task is behind it.

    follow ─▶ the answer ends ─▶ has the container ended? ─▶ read once more from the last timestamp
                                   └─ no: the engine let go ─▶ EngineUnavailable

A stream that was followed may end short of the last lines, so what the engine has on disk after the
container's end is read as well. If the end was known before a read began, that read is the last.
"""

import trio
from trio.lowlevel import checkpoint_if_cancelled

from runnerhub.adapters.docker.answers import inspected_container
from runnerhub.adapters.docker.followed import Followed
from runnerhub.adapters.docker.frames import BrokenFrame, Demultiplexer, unix_seconds
from runnerhub.adapters.docker.http import ANSWER_SECONDS, Http, StreamedAnswer
from runnerhub.adapters.docker.refusal import MISSING, SERVER_ERRORS_FROM, Refused
from runnerhub.model.logs import LogCursor, LogEntry, Resume
from runnerhub.ports.errors import EngineUnavailable

# The event of a container's end is this much behind the end of its log at most; else it is asked.
_TOLD_SECONDS = 0.1


class LogStream(trio.abc.ReceiveChannel[LogEntry]):
    """A container's log from a timestamp to its end; `ports.engine.Engine.logs` says how it ends.

    Args:
        http: to the engine.
        followed: who tells of the container's end.
        name: of the container.
        path: of the container, quoted.
        since: an RFC 3339 timestamp, inclusive; "" for the beginning.
    """

    __slots__ = (
        "_answer",
        "_cursor",
        "_demultiplexer",
        "_ended",
        "_followed",
        "_http",
        "_is_closed",
        "_is_last",
        "_is_over",
        "_name",
        "_path",
        "_ready",
        "_resume",
        "_since",
        "_told",
        "_was_followed",
    )

    def __init__(self, http: Http, followed: Followed, name: str, path: str, since: str) -> None:
        self._http = http
        self._followed = followed
        self._name = name
        self._path = path
        self._since = since
        self._cursor = LogCursor()
        self._resume: Resume | None = None
        self._demultiplexer = Demultiplexer()
        self._answer: StreamedAnswer | None = None
        self._ready: list[LogEntry] = []  # the next one last
        self._ended = self._is_last = self._was_followed = False
        self._is_over = self._is_closed = False
        self._told: trio.Event | None = None

    async def receive(self) -> LogEntry:
        """Wait for the next entry. Cancelling it loses none.

        Raises:
            EngineRefused: there is no such container.
            EngineUnavailable: the stream broke.
            trio.EndOfChannel: the log is read whole.
        """
        await checkpoint_if_cancelled()
        while not self._ready:
            if self._is_closed:
                raise trio.ClosedResourceError
            if self._is_over:
                raise trio.EndOfChannel
            await self._read_on()
        return self._ready.pop()

    async def aclose(self) -> None:
        """Follow it no longer."""
        self._is_closed = True
        self._ready = []
        self._let_go()
        self._followed.discard(self._name, self)

    def container_ended(self) -> None:
        """Take in that the container runs no more."""
        self._ended = True
        if self._told is not None:
            self._told.set()

    # ------------------------------------------------------------------ inside

    async def _read_on(self) -> None:
        try:
            if self._answer is None:
                # Taken up where a cancel has cut it: each of these may be begun again.
                await (self._see_end() if self._was_followed and not self._ended else self._begin())
            elif data := await self._answer.read():
                self._take(data)
            else:
                self._end()
        except Refused as refused:
            self._is_over = True
            self._let_go()
            # Removed once it was followed to its end: nobody can read more of it.
            is_gone = refused.status == MISSING or refused.says("for removal")
            if is_gone and self._is_last and self._was_followed:
                return
            if refused.status >= SERVER_ERRORS_FROM and not is_gone:
                # Too many open files, say: it may be read later, and was not read whole.
                words = f"The log of {self._name} cannot be read now: {refused.message}"
                raise EngineUnavailable(words) from None
            raise refused.as_error() from None
        except BrokenFrame as error:
            self._is_over = True
            raise self._http.lost(error) from error
        except EngineUnavailable:
            self._is_over = True
            raise

    async def _begin(self) -> None:
        self._followed.add(self._name, self)
        self._resume = Resume(self._cursor) if self._cursor.at else None
        self._is_last = self._ended
        params = {"stdout": "1", "stderr": "1", "timestamps": "1"}
        params["follow"] = "0" if self._is_last else "1"
        if since := self._cursor.at or self._since:
            params["since"] = unix_seconds(since)
        self._answer = await self._http.stream(f"{self._path}/logs", ANSWER_SECONDS, params)

    def _take(self, data: bytes) -> None:
        entries = self._demultiplexer.feed(data)
        if self._resume is not None:
            entries = [entry for entry in entries if self._resume.is_new(entry)]
        for entry in entries:
            self._cursor = self._cursor.advance(entry)
        entries.reverse()
        self._ready = entries

    def _end(self) -> None:
        self._let_go()
        if self._demultiplexer.is_inside_frame:
            raise EngineUnavailable(f"The log of {self._name} broke off inside a line")
        self._was_followed = True
        self._is_over = self._is_last

    async def _see_end(self) -> None:
        if not await self._has_ended():
            words = f"The log of {self._name} broke off: {self._http.url} let go of it"
            raise EngineUnavailable(words)
        self._ended = True

    def _let_go(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    async def _has_ended(self) -> bool:
        if not self._ended and self._followed.listeners:
            self._told = trio.Event()
            with trio.move_on_after(_TOLD_SECONDS):
                await self._told.wait()
        if self._ended:
            return True
        try:
            state = inspected_container(
                await self._http.json("GET", f"{self._path}/json", ANSWER_SECONDS)
            )
        except Refused as refused:
            if refused.status == MISSING:
                return True
            raise
        # A start that failed leaves the container "created", with the engine's words.
        return state.has_ended or state.status == "removing" or bool(state.error)
