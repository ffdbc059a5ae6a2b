"""One simulated host: an engine, and a task for each connection to it."""

import socket

import trio

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
        engine.eager = True
        self._routes = Routes(Execs(engine))

    async def serve(self, listener: socket.socket) -> None:
        """Accept connections until cancelled."""
        listener.settimeout(0.0)
        async with trio.open_nursery() as nursery:
            while True:
                await trio.lowlevel.wait_readable(listener)
                try:
                    peer, _ = listener.accept()
                except BlockingIOError:
                    continue
                except OSError:  # out of descriptors, or the peer went while it waited
                    await trio.sleep(0.05)
                    continue
                peer.settimeout(0.0)
                nursery.start_soon(self._converse, peer)

    async def _converse(self, peer: socket.socket) -> None:
        connection, generation = Connection(peer), self.engine.world.generation
        try:
            while await self._answer_next(connection, generation):
                pass
        except PeerGone:
            pass
        except EngineUnavailable:
            connection.reset()
        finally:
            connection.close()

    def _disturb(self, connection: Connection, path: str) -> None:
        clock, troubles = self.engine.world.clock, self.engine.troubles
        if troubles.none:
            return
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
