"""Serve a simulated GitHub, over sockets or within the process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import trio

from runnerhub.sim.github.clock import EPOCH, Clock
from runnerhub.sim.github.control import credentials, orders, rules
from runnerhub.sim.github.control import runner as runner_client
from runnerhub.sim.github.core import Core
from runnerhub.sim.github.faults import FaultPlan, Faults
from runnerhub.sim.github.http.door import Door
from runnerhub.sim.github.http.router import Routes
from runnerhub.sim.github.http.site import Site
from runnerhub.sim.github.http.transport import SimTransport
from runnerhub.sim.github.rest import apps, hooks, places, runners, runs
from runnerhub.sim.github.scale import queue
from runnerhub.sim.github.scale import routes as scale_routes
from runnerhub.sim.github.sending import Sender
from runnerhub.sim.github.state import State

TOKEN = "ghp_simulated"  # noqa: S105 - good for everything, and only here
_MODULES = (
    apps, hooks, places, runners, runs, queue, scale_routes, credentials, orders, rules,
    runner_client,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SimGitHub:
    """A simulated GitHub.

    Attributes:
        url: where it is served, or seems to be.
        state: what it knows; a test may look, and order things without HTTP.
        site: answers requests.
        transport: for httpx in this process, in place of the network.
        token: of a user who may everything.
    """

    url: str
    state: State
    site: Site
    transport: SimTransport
    token: str = TOKEN


@asynccontextmanager
async def sim_github(
    url: str = "http://github.test",
    *,
    seed: int = 0,
    plan: FaultPlan | None = None,
    epoch: float | None = EPOCH,
    webhooks: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[SimGitHub]:
    """Run a simulated GitHub within the process for the block; all its time is trio's.

    Args:
        url: where it seems to be.
        seed: of its ids, and of the faults where the plan has none of its own.
        plan: what goes wrong.
        epoch: its time when it begins, in seconds since 1970; None for the real one.
        webhooks: takes webhooks in place of the network.
    """
    faults = Faults(plan or FaultPlan(seed=seed))
    state = State(Core(Clock(epoch), url, seed, faults))
    state.access.add_token(TOKEN, "octocat")
    routes = Routes()
    for module in _MODULES:
        routes.add(module.ROUTES)
    site = Site(state, routes)
    async with (
        httpx.AsyncClient(transport=webhooks, timeout=10.0) as client,
        trio.open_nursery() as nursery,
    ):
        state.hooks.send = Sender(state.core, nursery, client).send
        nursery.start_soon(state.core.agenda.run)
        yield SimGitHub(url, state, site, SimTransport(site))
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serve_sim_github(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    public_url: str | None = None,
    seed: int = 0,
    plan: FaultPlan | None = None,
    epoch: float | None = None,
) -> AsyncIterator[SimGitHub]:
    """Serve a simulated GitHub over TCP for the block.

    Args:
        host: the address to listen on.
        port: 0 lets the system choose.
        public_url: how clients and runners reach it, where that is not the address.
        seed: as in `sim_github`.
        plan: as in `sim_github`.
        epoch: as in `sim_github`.

    Raises:
        OSError: the address cannot be had.
    """
    listeners = await trio.open_tcp_listeners(port, host=host)
    bound = listeners[0].socket.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    url = (public_url or f"http://{shown}:{bound}").rstrip("/")
    async with (
        sim_github(url, seed=seed, plan=plan, epoch=epoch) as sim,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(trio.serve_listeners, Door(sim.site).serve, listeners)
        yield sim
        nursery.cancel_scope.cancel()
