"""One HTTP/1.1 connection to an engine: a request, its answer, and whether there may be another.

    send ─▶ answered ─▶ read … read ─▶ b"" ─▶ clean: ready for the next request
      └─ time up, given up, broken off, or more than was asked for ─▶ closed, never used again

Waiting can be cancelled and taken up again at any point. Whoever gives up closes the connection: an
answer that is half read would be taken for that to the next question.
"""

from typing import Any

import httptools
import trio

from runnerhub.adapters.docker.link import Link
from runnerhub.adapters.docker.refusal import ERRORS_FROM
from runnerhub.runtime.timekeeper import timekeeper

_NO_HEAD = 0
_CONTINUE = 200  # what is below it comes ahead of the answer


class NoAnswer(OSError):
    """The connection ended before a byte of the answer."""


class BrokenOff(OSError):
    """The connection ended inside an answer, or what came is no HTTP."""


class Connection:
    """A connection that a single task uses.

    Attributes:
        status: of the present answer; 0 until its head has come.
        used: whether it has carried an answer before.
        idle_since: when its last answer had come whole, by trio's clock.
    """

    __slots__ = (
        "_heard",
        "_keep",
        "_late",
        "_link",
        "_parser",
        "_parts",
        "_seconds",
        "_sending",
        "_whole",
        "idle_since",
        "status",
        "used",
    )

    def __init__(self, link: Link) -> None:
        self._link = link
        self._parser: Any = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._seconds: float | None = None  # of the request whose time runs
        self._heard = self._keep = self._late = self._sending = self._whole = False
        self.status = _NO_HEAD
        self.used = False
        self.idle_since = 0.0

    # ------------------------------------------------------------------ the parser calls these

    def on_message_begin(self) -> None:
        """Something begins; behind a whole answer it is nothing that was asked for."""
        if self._whole:
            self._keep = False

    def on_headers_complete(self) -> None:
        """A head has come whole."""
        status = self._parser.get_status_code()
        if status >= _CONTINUE and not self._whole:
            self.status = status

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        if not self._whole:
            self._parts.append(part)

    def on_message_complete(self) -> None:
        """An answer has come whole."""
        if not self._whole and self.status:
            self._whole, self._keep = True, self._parser.should_keep_alive()

    # ------------------------------------------------------------------ for one request

    async def send(self, request: bytes, seconds: float) -> None:
        """Send a request.

        Args:
            request: as it goes over the wire.
            seconds: from now on until `answered` has what it waits for. An answer that is there by
                then counts, however late this task gets to read it.

        Raises:
            NothingSent: the engine has not got a byte of it.
            TimeoutError: the time is up.
            OSError: the connection is no more.
        """
        self._heard = self._keep = self._late = self._whole = False
        self.status = _NO_HEAD
        self._parts = []  # whoever read the last answer may have left it before its end
        self._seconds = seconds
        timekeeper().add(self, seconds)
        self._sending = True
        try:
            await self._link.send(request)
        except trio.ClosedResourceError:
            raise self._closed() from None
        finally:
            self._sending = False

    async def answered(self, *, whole: bool) -> None:
        """Wait for the answer's head, or for all of it if it is an error. Cancelling loses nothing.

        Args:
            whole: whether to wait for its end in any case.

        Raises:
            NoAnswer: the engine may have got the request, and may not.
            BrokenOff: the answer ended too early, or is none.
            TimeoutError: the time is up.
        """
        while not self._has_come(whole=whole):
            await self._take()  # also what came in time and nobody has read yet
            if self._late and not self._has_come(whole=whole):
                raise self._closed()
        self._stop_time()
        self._late = self._link.closes_when_silent = False

    def _has_come(self, *, whole: bool) -> bool:
        return self._whole or (_NO_HEAD < self.status < ERRORS_FROM and not whole)

    def fail(self, _: Exception) -> None:
        """Let the time of a request be up."""
        self._late = True
        if self._sending:
            self._link.close()  # whoever sends reads nothing, be there an answer or not
        else:
            self._link.close_when_silent()

    async def read(self) -> bytes:
        """Wait for more of the answer's body, b"" at its end. Cancelling it loses nothing.

        Raises:
            BrokenOff: it ended too early.
        """
        while not self._parts:
            if self._whole:
                return b""
            await self._take()
        return self.body()

    def body(self) -> bytes:
        """Return what has come of the body since the last call."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _take(self) -> None:
        broken = BrokenOff if self._heard else NoAnswer
        try:
            data = await self._link.receive()
        except trio.ClosedResourceError:
            raise self._closed() from None
        except OSError as error:
            raise broken(error.errno, error.strerror) from error
        if not data and self.status >= ERRORS_FROM:
            self._whole, self._keep = True, False  # words of something before the engine
            return
        if not data:
            # Engines say how long each answer is, or send it in chunks; so this is never its end.
            raise broken("the engine closed the connection")
        self._heard = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._whole:
                self._keep = False  # it stands behind the answer
                return
            raise BrokenOff(f"no HTTP: {error}") from error

    def _closed(self) -> OSError:
        return TimeoutError("no answer in time") if self._late else BrokenOff("it was closed")

    def _stop_time(self) -> None:
        if self._seconds is not None:
            timekeeper().discard(self, self._seconds)
            self._seconds = None

    # ------------------------------------------------------------------ between requests

    @property
    def is_clean(self) -> bool:
        """Whether the answer has come whole and another may follow."""
        return self._whole and self._keep

    @property
    def is_ready(self) -> bool:
        """Whether the engine has left an idle connection open, and silent."""
        return self._link.is_silent()

    def close(self) -> None:
        """End it, whatever it is in. Harmless when repeated."""
        self._stop_time()
        self._link.close()
        self._parser = None  # it knows this object, and this object it
