"""Requests to one engine, on trio: JSON in and out, and answers that are read piece by piece.

A request that failed is sent again only where that cannot do anything twice:

    - the engine has not got a byte of it, because an idle connection had just been closed; or
    - it is a GET that is read whole, and an idle connection was closed without a byte of an answer.

Nothing else is: the engine would answer a second create with "name in use", a second removal with
"no such". What that means is for the caller to judge, who knows the name and what was tried before.
"""

import json
from typing import Any
from urllib.parse import urlencode

from runnerhub.adapters.docker.connection import Connection, NoAnswer
from runnerhub.adapters.docker.link import NothingSent, TlsFiles
from runnerhub.adapters.docker.pool import Pool
from runnerhub.adapters.docker.refusal import ERRORS_FROM, Refused, is_away, not_open, unavailable
from runnerhub.adapters.docker.version import negotiate
from runnerhub.ports.errors import EngineUnavailable

ANSWER_SECONDS = 10.0


class Http:
    """The client of one engine.

    Args:
        url: `unix:///path` or `tcp://host:port`.
        tls: files for mutual TLS.
    """

    def __init__(self, url: str, tls: TlsFiles | None) -> None:
        self.url = url
        self._tls = tls
        self._host = "docker" if url.startswith("unix://") else url.partition("://")[2]
        self._pool: Pool | None = None
        self._version: str | None = None

    def open(self) -> None:
        """Get ready. Nothing is sent, so it works while the engine is away."""
        if self._pool is None:
            self._pool = Pool(self.url, self._tls)

    def close(self) -> None:
        """Close every connection. Harmless when repeated."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    async def json(
        self,
        method: str,
        path: str,
        seconds: float,
        *,
        params: dict[str, str] | None = None,
        body: object = None,
        in_turn: bool = True,
    ) -> Any:  # noqa: ANN401
        """Send a request and return the answer's JSON, None when it has none.

        Cancelling it leaves open whether the engine does what was asked.

        Args:
            method: GET, POST or DELETE.
            path: behind the version, without a slash, quoted.
            seconds: from when it is sent until the answer is there.
            params: of the query.
            body: what becomes JSON.
            in_turn: whether it is one of those that are `pool.AT_ONCE` at most.

        Raises:
            EngineUnavailable: no answer, or none in time.
            Refused: the engine answered with an error.
        """
        version = self._version or await self._speak(seconds, in_turn=in_turn)
        request = self._written(version, method, path, params, body)
        try:
            status, text = await self._answer(method, request, seconds, in_turn=in_turn)
            if status >= ERRORS_FROM:
                raise self.refusal(status, text)
            return json.loads(text) if text else None
        except (OSError, ValueError) as error:
            raise self.lost(error) from error

    async def stream(self, path: str, seconds: float, params: dict[str, str]) -> "StreamedAnswer":
        """Send a GET and return its answer, to be read as it comes. Whoever gets it closes it.

        Args:
            path: as for `json`.
            seconds: from when it is sent until the answer's head is there.
            params: of the query.

        Raises:
            EngineUnavailable: the engine cannot be reached.
        """
        version = self._version or await self._speak(seconds, in_turn=True)
        request = self._written(version, "GET", path, params, None)
        pool = self._opened()
        try:
            await pool.turn()
            try:
                connection = await _sent(pool, request, seconds)
            finally:
                pool.leave()
        except OSError as error:
            raise self.lost(error) from error
        return StreamedAnswer(self, pool, connection)

    def lost(self, error: Exception) -> EngineUnavailable:
        """Return what the port says of an error of a connection, or of an answer."""
        self._version = None  # who comes back may be another
        return unavailable(self.url, str(error) or type(error).__name__)

    # ------------------------------------------------------------------ inside

    def _opened(self) -> Pool:
        if self._pool is None:
            raise not_open(self.url)
        return self._pool

    async def _speak(self, seconds: float, *, in_turn: bool) -> str:
        """Return the API version, asked for when it is not known."""
        if self._version is None:
            request = f"GET /version HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode()
            limit = min(seconds, ANSWER_SECONDS)
            try:
                status, text = await self._answer("GET", request, limit, in_turn=in_turn)
                if status >= ERRORS_FROM:
                    raise self.refusal(status, text)
                self._version = negotiate(json.loads(text))
            except (OSError, ValueError) as error:
                raise self.lost(error) from error
        return self._version

    def _written(
        self, version: str, method: str, path: str, params: dict[str, str] | None, body: object
    ) -> bytes:
        query = f"?{urlencode(params)}" if params else ""
        head = f"{method} /{version}/{path}{query} HTTP/1.1\r\nHost: {self._host}\r\n"
        if method != "POST":
            return f"{head}\r\n".encode()
        data = b"" if body is None else json.dumps(body).encode()
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        return head.encode() + data

    async def _answer(
        self, method: str, request: bytes, seconds: float, *, in_turn: bool
    ) -> tuple[int, bytes]:
        pool = self._opened()
        if in_turn:
            await pool.turn()
        try:
            connection = await _answered(pool, method, request, seconds)
        finally:
            if in_turn:
                pool.leave()
        status, text = connection.status, connection.body()
        pool.give_back(connection)
        return status, text

    def refusal(self, status: int, text: bytes) -> Exception:
        """Return what an answer that is an error means: Refused, or EngineUnavailable."""
        message = text.decode("utf-8", "replace").strip()
        if message.startswith("{"):
            try:
                message = str(json.loads(message).get("message") or message)
            except ValueError as error:
                return self.lost(error)  # it broke off
        if is_away(status, message):
            self._version = None
            return unavailable(self.url, message)
        return Refused(status, message)


class StreamedAnswer:
    """An answer that is read as it comes, and goes on until one side has enough.

    Waiting for it can be cancelled and taken up again: the question is not asked anew.
    """

    __slots__ = ("_connection", "_has_head", "_http", "_pool")

    def __init__(self, http: Http, pool: Pool, connection: Connection) -> None:
        self._http = http
        self._pool = pool
        self._connection = connection
        self._has_head = False

    async def head(self) -> None:
        """Wait until the engine has begun to answer.

        Raises:
            EngineUnavailable: no answer, or none in time.
            Refused: the engine answered with an error.
        """
        connection = self._connection
        try:
            await connection.answered(whole=False)
        except OSError as error:
            if isinstance(error, TimeoutError):
                self._pool.turn_away()
            raise self._http.lost(error) from error
        self._has_head = True
        if connection.status >= ERRORS_FROM:
            raise self._http.refusal(connection.status, connection.body())

    async def read(self) -> bytes:
        """Wait for more, b"" at the end. Raises as `head`, and where the answer breaks off."""
        if not self._has_head:
            await self.head()
        try:
            return await self._connection.read()
        except OSError as error:
            raise self._http.lost(error) from error

    def close(self) -> None:
        """End it. Call it once."""
        self._pool.give_back(self._connection)


async def _sent(pool: Pool, request: bytes, seconds: float) -> Connection:
    """Send a request over a connection of the pool."""
    while True:
        connection = await pool.take()
        try:
            await connection.send(request, seconds)
        except NothingSent:
            pool.drop(connection)
            if not connection.used:
                raise
        except BaseException:
            pool.drop(connection)
            raise
        else:
            return connection


async def _answered(pool: Pool, method: str, request: bytes, seconds: float) -> Connection:
    """Send a request, and return its connection once the answer is whole."""
    while True:
        connection = await _sent(pool, request, seconds)
        try:
            await connection.answered(whole=True)
        except NoAnswer:
            pool.drop(connection)
            if not (connection.used and method == "GET"):
                raise
        except TimeoutError:
            pool.drop(connection)
            pool.turn_away()
            raise
        except BaseException:
            pool.drop(connection)
            raise
        else:
            return connection
