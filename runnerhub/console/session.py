"""One guest: its requests in, the answers out, and nothing of it left when it goes.

A guest has four commands under way at most. One that does not read its answers is let go after
five seconds; what it had under way is cancelled, except a restart, which its supervisor does.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
import trio

from runnerhub.console.closely import Recordings, actor, trace
from runnerhub.console.desk import Desk
from runnerhub.console.grammar import check
from runnerhub.console.protocol import (
    LONGEST_LINE,
    LONGEST_REQUEST,
    VERSION,
    ConsoleError,
    Request,
    decode,
    encode,
    read_request,
)
from runnerhub.console.steering import drain, restart
from runnerhub.console.watching import Result, Send, names, top, tree

log = structlog.get_logger(__name__)

WRITE_SECONDS = 5.0
MOST_AT_ONCE = 4
LINES_WAITING = 4
STOP = "stop"

Do = Callable[[Desk, dict[str, Any], Send], Awaitable[Result]]

COMMANDS: dict[str, Do] = {
    "tree": tree,
    "top": top,
    "trace": trace,
    "restart": restart,
    "drain": partial(drain, drained=True),
    "undrain": partial(drain, drained=False),
    "names": names,
}


class Session:
    """Serve one guest.

    Args:
        desk: what the commands may use.
        stream: the connection; the guest leaves by closing it, or its own side of it.
    """

    def __init__(self, desk: Desk, stream: trio.abc.Stream) -> None:
        self._desk = desk
        self._stream = stream
        self._running: dict[int, trio.CancelScope] = {}
        self._recordings = Recordings(desk.root.registry)
        self._commands: dict[str, Do] = {
            **COMMANDS,
            "actor": partial(actor, recordings=self._recordings),
        }
        # Lines go through a channel: a command that is stopped must not leave half of one behind.
        self._out, self._lines = trio.open_memory_channel[bytes](LINES_WAITING)

    async def run(self) -> None:
        """Serve until the guest goes, or is let go. Cancelling it lets the guest go."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write_lines, nursery.cancel_scope)
                await self._say({"console": VERSION, **(self._desk.greeting or {})})
                await self._read(nursery)
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the guest has gone
        finally:
            self._recordings.close()
            self._out.close()
            self._lines.close()

    async def _read(self, nursery: trio.Nursery) -> None:
        buffer = bytearray()
        async for data in self._stream:
            buffer += data
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                await self._begin(line, nursery)
            if len(buffer) > LONGEST_REQUEST:
                return  # no guest of ours; what it says next would be the middle of a line

    async def _begin(self, line: bytearray, nursery: trio.Nursery) -> None:
        number: Any = None
        try:
            message = decode(line)
            number = message.get("id")
            request = read_request(message)
            if request.command == STOP:
                await self._stop(request)
                return
            args = check(request.command, request.args)
        except ConsoleError as error:
            await self._refuse(number, str(error))
            return
        if len(self._running) >= MOST_AT_ONCE or request.id in self._running:
            why = f"at most {MOST_AT_ONCE} commands at once, each with an id of its own"
            await self._refuse(request.id, why)
            return
        self._running[request.id] = trio.CancelScope()
        nursery.start_soon(self._serve, request, args)

    async def _stop(self, request: Request) -> None:
        number = request.args.get("id")
        if isinstance(number, int) and number in self._running:
            self._running[number].cancel()
        await self._say({"id": request.id, "ok": True, "result": {}})

    async def _serve(self, request: Request, args: dict[str, Any]) -> None:
        async def send(part: dict[str, Any]) -> None:
            await self._say({"id": request.id, "part": part})

        result: Result = {"stopped": True}
        refused: str | None = None
        try:
            with self._running[request.id]:
                result = await self._commands[request.command](self._desk, args, send)
            await self._say({"id": request.id, "ok": True, "result": result})
        except ConsoleError as error:
            refused = str(error)
        except Exception as error:
            log.exception("console command failed", action="console_failed", what=request.command)
            refused = f"it failed inside ({type(error).__name__}); see the node's log"
        finally:
            del self._running[request.id]
        if refused is not None:
            await self._refuse(request.id, refused)

    async def _refuse(self, number: object, why: str) -> None:
        await self._say({"id": number, "ok": False, "error": " ".join(why.split())})

    async def _say(self, message: dict[str, Any]) -> None:
        line = encode(message)
        if len(line) > LONGEST_LINE:
            raise ConsoleError("the answer is too long")
        await self._out.send(line)

    async def _write_lines(self, guest: trio.CancelScope) -> None:
        async for line in self._lines:
            with trio.move_on_after(WRITE_SECONDS) as patience:
                await self._stream.send_all(line)
            if patience.cancelled_caught:
                log.warning("a console does not read its answers", action="console_stalled")
                guest.cancel()
