"""The connections to one engine: those that are idle, and how many requests are under way.

An idle connection that the engine has closed is seen before it is used: something is to be read
from it. In the moment between that look and the request it may still close; `http` decides then.
"""

from typing import TYPE_CHECKING

import trio

from runnerhub.adapters.docker.connection import Connection
from runnerhub.adapters.docker.link import TlsFiles, connect

if TYPE_CHECKING:
    import ssl

CONNECT_SECONDS = 5.0
# So many requests are under way to one engine, and not more: an engine that is asked thousands of
# things at once answers all of them too late, and they are asked again.
AT_ONCE = 64
# The rest is closed: after a rush nobody needs them.
_MOST_IDLE = 16
_IDLE_SECONDS = 60.0


class TurnedAway(OSError):
    """The engine stopped answering while this waited for its turn."""


class Pool:
    """Connections to an engine.

    Args:
        url: as `link.connect` has it.
        tls: files for mutual TLS.
    """

    def __init__(self, url: str, tls: TlsFiles | None) -> None:
        self._url = url
        self._context: ssl.SSLContext | None = tls.context() if tls else None
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._closed = False
        self._under_way = 0
        self._waiting = trio.lowlevel.ParkingLot()
        self._turned_away: set[trio.lowlevel.Task] = set()

    # ------------------------------------------------------------------ connections

    async def take(self) -> Connection:
        """Return an idle connection that is still open, else a new one.

        Raises:
            OSError: it cannot be made.
            TimeoutError: not in time.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.is_ready:
                self._busy.add(connection)
                return connection
            connection.close()
        try:
            with trio.fail_after(CONNECT_SECONDS):
                connection = Connection(await connect(self._url, self._context))
        except trio.TooSlowError:
            self.turn_away()
            raise TimeoutError("no connection in time") from None
        except OSError:
            self.turn_away()
            raise
        if self._closed:
            connection.close()
            raise ConnectionError("closed meanwhile")
        self._busy.add(connection)
        return connection

    def drop(self, connection: Connection) -> None:
        """Close a connection that cannot be used again."""
        self._busy.discard(connection)
        connection.close()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request if it can be used again, else close it."""
        idle = self._idle
        if self._closed or not connection.is_clean or len(idle) >= _MOST_IDLE:
            self.drop(connection)
            return
        self._busy.discard(connection)
        connection.used = True
        connection.idle_since = now = trio.current_time()
        idle.append(connection)
        if idle[0].idle_since < now - _IDLE_SECONDS:
            idle.pop(0).close()

    def close(self) -> None:
        """Close all of them, whatever they are in."""
        self._closed = True
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()
        self.turn_away()

    # ------------------------------------------------------------------ turns

    async def turn(self) -> None:
        """Wait until one more request may be under way. `leave` ends it.

        Raises:
            TurnedAway: the engine does not answer.
        """
        if self._under_way < AT_ONCE:
            self._under_way += 1
            return
        await self._waiting.park()
        me = trio.lowlevel.current_task()
        if me in self._turned_away:
            self._turned_away.discard(me)
            raise TurnedAway("no answer in time")

    def leave(self) -> None:
        """Let the next one go."""
        if self._waiting:
            self._waiting.unpark()
        else:
            self._under_way -= 1

    def turn_away(self) -> None:
        """Let all that wait for their turn fail: the engine does not answer."""
        self._turned_away.update(self._waiting.unpark_all())
