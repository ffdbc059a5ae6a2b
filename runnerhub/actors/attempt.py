"""One attempt of one job, as its steps share it: provision, watch, end."""

from dataclasses import replace

import trio

from runnerhub.actors.logpump import LogPump
from runnerhub.actors.world import HostState, World
from runnerhub.model.job import Job, Phase
from runnerhub.model.outcome import LostAttempt, Verdict
from runnerhub.model.pool import pool_of
from runnerhub.model.sandbox import SandboxPlan, plan_for

Outcome = Verdict | LostAttempt


class Detached(Exception):
    """This node does not drive the host any more: leave everything as it is."""


class Attempt:
    """What the steps of an attempt know, and what each of them must ask before it acts.

    Args:
        world: ports, settings and hosts.
        host: where the attempt runs.
        job: the job as the ledger has it, LEASED or later.
        adopted: whether an earlier actor may have done anything for the attempt.

    Attributes:
        job: as the ledger has it since the last step.
        plan: names and labels of the sandbox.
        pump: moves the log of the main container.
        kit: what was prepared for it.
        joins_holder: whether its network is held by a container that the main one joins.
        may_be_registered: whether GitHub may know a runner by the attempt's name.
        secret_env: variables of the main container that stand in no plan and no log.
        has_images: set once its images are on the host.
        is_over: whether the main container has ended and its log is in the ledger.
        tickets: taken before the main container was started: what happens on the host since,
            and to the container.
        epoch: of the host's event stream in which the main container was last seen running.
    """

    def __init__(self, world: World, host: HostState, job: Job, *, adopted: bool) -> None:
        self.world = world
        self.host = host
        self.job = job
        self.pool = pool_of(job.spec.labels, world.settings.pools)
        plan = plan_for(job, world.cluster, self.pool.relaxations, world.settings.log_max_mb)
        if adopted:
            # Whether it was handed its job nobody knows: without stdin it goes on, or says not.
            host.shelf.drop(plan.sandbox_id)
        self.kit = host.shelf.find(plan.sandbox_id)
        self.joins_holder = self.kit is not None and self.kit.recipe.pool is None
        self.plan: SandboxPlan = replace(plan, has_holder=adopted or self.joins_holder)
        self.pump = LogPump(world, host, job, self.plan.main, begun=adopted)
        self.may_be_registered = adopted
        self.secret_env: dict[str, str] = {}
        self.is_over = False
        self.epoch: int | None = None
        self.tickets: tuple[trio.Event, trio.Event] | None = None
        self.has_images = trio.Event()
        self._marks: dict[str, float] = {}

    @property
    def budget(self) -> float:
        """Seconds that the clean-up of a job may take."""
        return self.world.settings.clean_up

    @property
    def fence(self) -> int:
        """The token of the host's lease. Raises Detached when another node drives the host."""
        lease = self.host.lease
        if lease is None:
            raise Detached(f"{self.host.name} is driven by another node")
        return lease.token

    async def trust(self) -> None:
        """Wait until this node may act on the host. Raises Detached when another one may."""
        while not self.host.trusted:
            if self.host.lease is None:
                raise Detached(f"{self.host.name} is driven by another node")
            ticket = self.host.changed.ticket()
            with trio.move_on_after(1.0):
                await ticket.wait()

    def mark(self, *stamps: str) -> None:
        """Note that something happened now; the next write to the ledger tells it."""
        for stamp in stamps:
            self._marks.setdefault(stamp, trio.current_time())

    @property
    def marked(self) -> dict[str, float]:
        """What was noted and may not be in the ledger, by how many seconds ago."""
        now = trio.current_time()
        return {stamp: now - at for stamp, at in self._marks.items()}

    async def advance(self, to: Phase) -> None:
        """Let the ledger say where the job stands. Raises StaleFence, LedgerUnavailable."""
        self.job = await self.world.ledger.advance(
            self.job.id, self.fence, self.job.attempt, to, ago=self.marked
        )

    def seconds_since_start(self) -> float:
        """Return how long the job has run, by the ledger's clock."""
        started = self.job.timestamps.get("started")
        if started is None:
            return 0.0
        return max(0.0, self.world.now_ms() / 1000 - started.timestamp())
