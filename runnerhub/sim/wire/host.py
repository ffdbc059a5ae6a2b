"""One simulated host: an engine, and a task for each connection to it."""

import trio
from trio.socket import SocketType

from runnerhub.ports.errors import EngineUnavailable, PortError
from runnerhub.sim.engine import SimEngine
from runnerhub.sim.wire.calls import Answer, Call
from runnerhub.sim.wire.execs import Execs
from runnerhub.sim.wire.http import Connection, PeerGone, Request
from runnerhub.sim.wire.routes import Routes, status_of


class SimHost:
    """An engine that is served."""

    def __init__(self, engine: SimEngine) -> None:
        self.engine = engine
        self._routes = Routes(Execs(engine))

    async def serve(self, listener: SocketType) -> None:
        """Accept connections until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    socket, _ = await listener.accept()
                except OSError:  # out of descriptors, or the peer went while it waited
                    await trio.sleep(0.05)
                    continue
                nursery.start_soon(self._converse, socket)

    async def _converse(self, socket: SocketType) -> None:
        connection = Connection(socket)
        with socket:
            try:
                while await self._answer_next(connection):
                    pass
            except PeerGone:
                pass
            except EngineUnavailable:
                connection.reset()

    async def _answer_next(self, connection: Connection) -> bool:
        """Answer a request; tell whether another may follow."""
        request = await connection.request()
        self.engine.world.check()
        call = Call(self.engine, connection, request)
        try:
            answer = await self._handle(call)
        except EngineUnavailable:
            raise
        except PortError as error:
            if call.began:
                raise PeerGone from None
            answer = Answer(status_of(error), {"message": str(error)})
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
