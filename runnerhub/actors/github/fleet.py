"""The fleet: as many just-in-time runners as workflow jobs wait for, and none too many.

One node of a cluster does it at a time, by a lease. It decides anew from what the ledger says
each time something changed, so that a crash loses no demand and starts no runner twice: a runner
is a job like any other, durable from the moment that it is wanted.

    workflow job queued ─▶ start: delegate a job that becomes a runner
    nobody needs a runner, or its job is over, or it never came online ─▶ retire
    GitHub lists a runner of ours that no attempt bears ─▶ deregister
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
import trio

from runnerhub.actors.github.departures import Departures
from runnerhub.actors.github.listing import list_runners, scopes_of
from runnerhub.actors.github.retiring import retire
from runnerhub.actors.github.setbacks import Setbacks
from runnerhub.actors.messages import AcceptJob
from runnerhub.actors.wakeups import wait_at_most
from runnerhub.actors.world import World
from runnerhub.model.fleet import (
    Fleet,
    Listed,
    Patience,
    Start,
    ghosts,
    to_retire,
    to_start,
)
from runnerhub.model.job import Execution, JobSpec
from runnerhub.model.runner import IMPLIED, RunnerWish, runner_name
from runnerhub.ports.errors import LedgerUnavailable, PortError
from runnerhub.ports.github import GitHub
from runnerhub.ports.github_jobs import GitHubJobs
from runnerhub.runtime import ActorContext, ActorDied, AskTimeout, MailboxFull, Registry

if TYPE_CHECKING:
    from runnerhub.model.lease import Lease
    from runnerhub.ports.ledger import Accepted

log = structlog.get_logger(__name__)

LEASE = "fleet"
TICK_SECONDS = 1.0
LIST_SECONDS = 60.0
MOST_QUEUED = 1000
ACCEPT_SECONDS = 8.0


class FleetActor:
    """Keep the fleet.

    Args:
        world: ports, settings and hosts; GitHub is configured.
        github: the gateway.
        patience: how long a contradiction may last.
    """

    def __init__(self, world: World, github: GitHub, patience: Patience | None = None) -> None:
        self._world = world
        self._github = github
        self._patience = patience or Patience()
        self._pools = tuple(pool for pool in world.settings.pools if pool.scope is not None)
        self._listed: dict[str, Listed] = {}
        self._list_at = 0.0
        self._setbacks = Setbacks()
        self._departures = Departures(self._patience.telling)
        self._lease: Lease | None = None

    async def run(self, ctx: ActorContext[Any]) -> None:
        """Keep it until stopped. Stopping leaves the runners to whoever goes on."""
        ctx.started()
        while not ctx.stopping.is_set():
            ticket = self._world.github_jobs_changed.ticket()
            try:
                if await self._is_ours():
                    await self._round(ctx.registry)
            except PortError as error:
                log.warning("fleet waits", action="fleet_outage", error=str(error))
                ticket = trio.Event()
            await wait_at_most(ticket, TICK_SECONDS)

    async def _is_ours(self) -> bool:
        """Renew or take the lease; what is done twice at its edge is idempotent or counted."""
        settings, ledger = self._world.settings, self._world.ledger
        if self._lease is not None and await ledger.renew_leases([self._lease]):
            return True
        self._lease = await ledger.acquire_lease(LEASE, settings.node_id, settings.lease_ttl)
        return self._lease is not None

    async def _round(self, registry: Registry) -> None:
        fleet = await self._look()
        for start in to_start(fleet, self._setbacks.held_back(trio.current_time())):
            await self._start(start, registry)
        now = datetime.fromtimestamp(self._world.now_ms() / 1000, UTC)
        for superfluous in to_retire(fleet, now, self._patience):
            await retire(self._world, registry, superfluous)
        if trio.current_time() >= self._list_at:
            self._list_at = trio.current_time() + LIST_SECONDS
            await self._look_for_ghosts(fleet)

    async def _look(self) -> Fleet:
        """Read what waits LAST: a job that gets its runner meanwhile asks for no other."""
        jobs, cluster, now = self._jobs, self._world.cluster, trio.current_time()
        runners = await self._world.ledger.open_runners()
        failed = await self._departures.note(self._world.ledger, runners, now)
        ended = self._departures.ended
        all_ids = dict.fromkeys(runner.sandbox_id for runner in [*runners, *ended])
        names = [runner_name(cluster, sandbox) for sandbox in all_ids if sandbox]
        bound = {job.runner_name or "": job for job in await jobs.with_runners(names)}
        queued = {
            job.id: job
            for pool in self._pools
            for job in await jobs.queued_for(pool.labels | IMPLIED, limit=MOST_QUEUED)
        }
        waiting = sorted(queued.values(), key=lambda job: job.id)
        fleet = Fleet(cluster, self._pools, waiting, runners, bound, self._listed, ended)
        self._departures.remain(fleet.free())
        self._setbacks.note(fleet, failed, now)
        return fleet

    @property
    def _jobs(self) -> GitHubJobs:
        jobs = self._world.github_jobs
        if jobs is None:
            raise LedgerUnavailable("the workflow jobs are not there yet")
        return jobs

    async def _start(self, start: Start, registry: Registry) -> None:
        pool, job = start.pool, start.because
        spec = JobSpec(
            f"runner-for-{job.id}-{self._world.now_ms()}",
            job.repository,
            Execution(
                pool.image or "",
                resources=pool.resources,
                network=pool.network,
                runner=start.wish,
            ),
            job.workflow,
            job.name,
            job.run_id,
            labels=tuple(sorted(pool.labels)),
        )
        try:
            wanted: Accepted = await registry.ref("intake").ask(
                lambda r: AcceptJob(spec, None, r), ACCEPT_SECONDS
            )
        except (MailboxFull, AskTimeout, ActorDied) as error:
            log.warning("runner put off", action="runner_put_off", why=str(error))
        else:
            self._departures.expect(wanted.job)
            log.info("runner wanted", action="runner_wanted", pool=pool.name, job=job.id)

    async def _look_for_ghosts(self, fleet: Fleet) -> None:
        """Ask GitHub for its lists FIRST, then read the ledger: what is new is in it by then."""
        runners = self._world.runners
        listed: dict[str, Listed] = {}
        where: dict[str, str] = {}
        for scope in await scopes_of(fleet, self._jobs):
            for each in await list_runners(self._github, scope):
                listed[each.name], where[each.name] = each, scope
        self._listed = listed
        live = await self._world.ledger.open_runners()
        for name in ghosts(listed.values(), live, fleet.cluster):
            if runners is not None and await runners.deregister(RunnerWish(where[name]), name):
                log.warning("ghost deregistered", action="ghost_reaped", runner=name)
