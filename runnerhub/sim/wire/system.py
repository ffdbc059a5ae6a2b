"""The engine itself, and what no simulated host has any of."""

import trio

from runnerhub.sim.wire import about
from runnerhub.sim.wire.calls import Answer, Call


async def ping(call: Call) -> Answer:
    """GET /_ping, HEAD /_ping: its headers say the version, as those of every answer do."""
    call.engine.world.check()
    await trio.lowlevel.checkpoint()
    return Answer(200, b"OK", "text/plain; charset=utf-8")


async def version(call: Call) -> Answer:
    """GET /version."""
    call.engine.world.check()
    await trio.lowlevel.checkpoint()
    return Answer(200, about.version(call.engine.description))


async def info(call: Call) -> Answer:
    """GET /info."""
    said, engine = await call.engine.info(), call.engine
    return Answer(200, about.info(engine.world, said, len(engine.images)))


async def volumes(call: Call) -> Answer:
    """GET /volumes: none."""
    await call.engine.volumes()
    return Answer(200, {"Volumes": [], "Warnings": None})
