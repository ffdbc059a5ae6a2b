"""The stores as children of the tree: embedded servers, and the pools to PostgreSQL and Redis.

An embedded server that dies is started again here, by its own actor: its death is an outage of a
dependency, which the others wait out, and no reason to restart them.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
import trio

from runnerhub.actors.world import World
from runnerhub.adapters.docker import DockerEngine
from runnerhub.adapters.embedded import EmbeddedPostgres, EmbeddedServerError, EmbeddedValkey
from runnerhub.adapters.postgres import PostgresLedger
from runnerhub.adapters.redis import RedisQueue
from runnerhub.ports.errors import Unavailable
from runnerhub.runtime import ActorContext, Backoff, Bridge, ChildSpec, cleanup
from runnerhub.runtime.spec import AnySpec

log = structlog.get_logger(__name__)

BOOT_SECONDS = 60.0
STOP_SECONDS = 2.0

Where = Callable[[], str]
MoreStores = Callable[[Where, Where], Sequence[AnySpec]]


class Embedded:
    """Keep one embedded server running; `url` is where it is, once it has started."""

    def __init__(self, bridge: Bridge, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        self._bridge = bridge
        self._server = server
        self._backoff = Backoff()
        self._rng = random.Random(random.getrandbits(64))  # noqa: S311 - jitter; replays when seeded
        self.url = ""

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Start the server, and again whenever it ends, until stopped."""
        try:
            self.url = (await self._bridge.call(self._server.start)).url
            ctx.started()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep)
                await ctx.stopping.wait()
                nursery.cancel_scope.cancel()
        finally:
            with cleanup(trio.current_time() + STOP_SECONDS + 1.0):
                await self._bridge.call(self._server.stop, STOP_SECONDS)

    async def _keep(self) -> None:
        attempt = 0
        while True:
            code = await self._bridge.call(self._server.wait)
            name = type(self._server).__name__
            log.error("embedded server ended", action="embedded_ended", server=name, code=code)
            while True:
                attempt += 1
                try:
                    await self._bridge.call(self._server.start)
                except EmbeddedServerError as error:
                    log.error("no restart", action="embedded_failed", server=name, why=str(error))  # noqa: TRY400
                    await trio.sleep(self._backoff.delay(attempt, self._rng))
                else:
                    attempt = 0
                    break


def store_specs(
    bridge: Bridge,
    world: World,
    data_dir: Path,
    *,
    database_url: str | None,
    redis_url: str | None,
    more: MoreStores = lambda _postgres, _valkey: (),
) -> list[AnySpec]:
    """Return the children that open what the world stands on, in order.

    Args:
        bridge: to the asyncio loop.
        world: in which they set what they opened.
        data_dir: where embedded servers live.
        database_url: of PostgreSQL; None for an embedded one.
        redis_url: of Redis; None for an embedded one.
        more: further children, told where PostgreSQL and Redis are once those have started.
    """
    servers: list[AnySpec] = []
    postgres = _server(bridge, "postgresql", EmbeddedPostgres(data_dir), database_url, servers)
    valkey = _server(bridge, "valkey", EmbeddedValkey(data_dir), redis_url, servers)
    return [
        *servers,
        ChildSpec(
            "ledger", _ledger(bridge, world, postgres), kind="store", start_timeout=BOOT_SECONDS + 5
        ),
        ChildSpec("queue", _queue(bridge, world, valkey), kind="store"),
        ChildSpec("engines", _engines(world), kind="store"),
        *more(postgres, valkey),
    ]


def _server(
    bridge: Bridge,
    name: str,
    server: EmbeddedPostgres | EmbeddedValkey,
    url: str | None,
    specs: list[AnySpec],
) -> Callable[[], str]:
    """Return where a server is; without a URL of the operator's, an embedded one is added."""
    if url is not None:
        return lambda: url
    embedded = Embedded(bridge, server)
    specs.append(ChildSpec(name, embedded.run, kind="embedded", start_timeout=90.0))
    return lambda: embedded.url


Actor = Callable[[ActorContext[Any]], Awaitable[None]]


def _ledger(bridge: Bridge, world: World, where: Callable[[], str]) -> Actor:
    async def run(ctx: ActorContext[Any]) -> None:
        opened = PostgresLedger(bridge, where())
        await until_there(opened.open)
        world.ledger = opened
        world.cluster = await opened.cluster_id()
        await hold(ctx, opened.close)

    return run


def _queue(bridge: Bridge, world: World, where: Callable[[], str]) -> Actor:
    async def run(ctx: ActorContext[Any]) -> None:
        world.queue = opened = RedisQueue(bridge, where(), f"rh:{world.cluster}:")
        await hold(ctx, opened.close)

    return run


def _engines(world: World) -> Actor:
    async def run(ctx: ActorContext[Any]) -> None:
        engines = [h.engine for h in world.hosts.values() if isinstance(h.engine, DockerEngine)]

        async def close() -> None:
            for engine in engines:
                await engine.close()

        for engine in engines:
            await engine.open()
        await hold(ctx, close)

    return run


async def until_there(opening: Callable[[], Awaitable[None]]) -> None:
    """Open a store, waiting for it for as long as a boot may take."""
    give_up_at = trio.current_time() + BOOT_SECONDS
    while True:
        try:
            await opening()
        except Unavailable as error:
            if trio.current_time() > give_up_at:
                raise
            log.warning("waiting for the ledger", action="ledger_wait", error=str(error))
            await trio.sleep(1.0)
        else:
            return


async def hold(ctx: ActorContext[Any], close: Callable[[], Awaitable[None]]) -> None:
    """Be there until stopped, and close."""
    ctx.started()
    try:
        await ctx.stopping.wait()
    finally:
        with cleanup(trio.current_time() + STOP_SECONDS):
            await close()
