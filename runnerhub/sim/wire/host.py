"""One simulated host: an engine, and a task for each connection to it."""

import trio
from trio.socket import SocketType

from runnerhub.ports.errors import EngineUnavailable
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.wire.calls import Answer, Call
from runnerhub.sim.wire.execs import Execs
from runnerhub.sim.wire.http import Connection, PeerGone, Request
from runnerhub.sim.wire.routes import Routes, status_of

_MOST_BEFORE_RESET = 1024  # bytes of an answer: some are cut in their head, some in their body


class SimHost:
    """An engine that is served."""

    def __init__(self, engine: SimEngine) -> None:
        self.engine = engine
        self._routes = Routes(Execs(engine))

    async def serve(self, listener: SocketType) -> None:
        """Accept connections until cancelled. The listener is closed then."""
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    socket, _ = await listener.accept()
                except OSError:  # out of descriptors, or the peer went while it waited
                    await trio.sleep(0.05)
                    continue
                nursery.start_soon(self._converse, socket)

    async def _converse(self, socket: SocketType) -> None:
        connection, generation = Connection(socket), self.engine.world.generation
        with socket:
            try:
                while await self._answer_next(connection, generation):
                    pass
            except PeerGone:
                pass
            except EngineUnavailable:
                connection.reset()

    def _disturb(self, connection: Connection, path: str) -> None:
        clock, troubles = self.engine.world.clock, self.engine.troubles
        if stall := troubles.strike("stall", clock, path):
            connection.stalled_seconds = stall.fault.seconds
        if reset := troubles.strike("reset", clock, path):
            connection.cut_after = reset.dice.randrange(_MOST_BEFORE_RESET)

    async def _answer_next(self, connection: Connection, generation: int) -> bool:
        """Answer a request; tell whether another may follow."""
        request = await connection.request()
        self.engine.world.check(generation)
        self._disturb(connection, request.path)
        call = Call(self.engine, connection, request)
        try:
            answer = await self._handle(call)
        except (EngineUnavailable, PeerGone):
            raise
        except Exception as error:  # noqa: BLE001 - one request must not end all hosts
            if call.began:
                raise PeerGone from None
            answer = Answer(status_of(error), {"message": str(error) or repr(error)})
        if answer is not None:
            await answer.write(connection, head=request.method == "HEAD")
        return request.keep and not call.hijacked

    async def _handle(self, call: Call) -> Answer | None:
        request: Request = call.request
        found = self._routes.find(request.method, request.path)
        if found is None:
            return Answer(404, {"message": f"page not found: {request.method} {request.path}"})
        handler, call.name = found
        return await handler(call)
