"""Jobs under faults at random, from a seed that is printed: whatever happens, the promise holds.

RUNNERHUB_SEED=17 pytest tests/simulation/test_random_faults.py     replays one
RUNNERHUB_SEEDS=1000 …                                              tries many

A third of the seeds each have nothing prepared, warm sandboxes, and networks held ready.
"""

import os
import random
from collections.abc import AsyncIterator, Callable, Collection, Hashable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from runnerhub.actors.sweep import sandbox_of
from runnerhub.actors.wakeups import Wakeups
from runnerhub.actors.world import HostState
from runnerhub.model.job import Conclusion, Phase, Reason
from runnerhub.model.logs import LogEntry, Resume
from runnerhub.model.outcome import Verdict, judge_exit
from runnerhub.model.pool import Pool
from runnerhub.model.sandbox import LABEL_JOB
from runnerhub.ports.errors import EngineUnavailable, LedgerUnavailable
from runnerhub.ports.hub import Overloaded
from runnerhub.sim.faults import Faults
from tests.simulation.cluster import IMAGE, Cluster, Life, spec

WARM = Pool("warm", frozenset({"linux"}), image=IMAGE, warm=2)

JOBS = 12
FAULTS = 14
CALM_SECONDS = 900.0

if "RUNNERHUB_SEED" in os.environ:
    SEEDS = [int(os.environ["RUNNERHUB_SEED"])]
else:
    SEEDS = list(range(int(os.environ.get("RUNNERHUB_SEEDS", "40"))))

METHODS = [
    "open_stdin",
    "limit_container",
    "create_network",
    "create_container",
    "start_container",
    "inspect_container",
    "remove_container",
    "remove_network",
    "stop_container",
    "containers",
]


class Chaos:
    """A cluster, its present life, and what goes wrong in it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - faults, not secrets
        kinds: list[dict[str, Any]] = [{}, {"pools": (WARM,)}, {"holders": 2}]
        self.cluster = Cluster(
            hosts=2,
            slots=3,
            max_attempts=50,
            host_lost_after=40.0,
            sweep_every=20.0,
            reconcile_every=5.0,
            **kinds[seed % 3],
        )
        self.life: Life | None = None
        self.wanted: dict[str, int] = {}
        self.cancelled: set[str] = set()

    @asynccontextmanager
    async def lives(self) -> AsyncIterator[None]:
        """Keep a life of the tree running: the next begins when one was killed."""
        done = trio.Event()

        async def go_on() -> None:
            while not done.is_set():
                async with self.cluster.life() as life:
                    self.life = life
                    while not life.scope.cancel_called and not done.is_set():
                        await trio.sleep(0.05)
                self.life = None

        async with trio.open_nursery() as nursery:
            nursery.start_soon(go_on)
            yield
            done.set()

    async def submit(self, number: int) -> None:
        """Submit until it is accepted, as a client does."""
        code = self.rng.choice([0, 0, 3])
        script = f"echo begun; sleep {self.rng.randint(0, 30)}; exit {code}"
        while True:
            if self.life is not None:
                with suppress(LedgerUnavailable, Overloaded):
                    job = spec(number, script, labels=("linux",))
                    accepted = await self.life.hub.delegate(job)
                    self.wanted[accepted.job.id] = code
                    return
            await trio.sleep(0.5)

    async def cancel(self) -> None:
        if self.wanted and self.life is not None:
            job_id = self.rng.choice(list(self.wanted))
            with suppress(LedgerUnavailable):
                job = await self.life.hub.cancel(job_id)
                if job is not None and job.conclusion is None:
                    self.cancelled.add(job_id)

    async def fault(self) -> None:
        rng, engine = self.rng, self.cluster.engines[self.rng.choice(["h1", "h2"])]
        match rng.randrange(9):
            case 0:
                engine.crash(down_seconds=rng.uniform(0, 20))
            case 1:
                engine.go_away(rng.uniform(1, 80))
            case 2:
                lost = EngineUnavailable("made up")
                engine.fail_next(rng.choice(METHODS), lost, after=rng.random() < 0.5)
            case 3:
                engine.delay_next_create(rng.uniform(1, 60))
            case 4:
                self.cluster.ledger.outage = True
                await trio.sleep(rng.uniform(0.1, 25))
                self.cluster.ledger.outage = False
            case 5:
                self.cluster.queue.flush()
            case 6:
                self.cluster.queue.outage = True
                await trio.sleep(rng.uniform(0.1, 25))
                self.cluster.queue.outage = False
            case 7:
                if self.life is not None:
                    self.life.kill()
            case _:
                await self.cancel()

    async def until_all_ended(self) -> None:
        with trio.move_on_after(CALM_SECONDS):
            while True:
                jobs = [await self.cluster.job(job_id) for job_id in self.wanted]
                if all(job.phase is Phase.FINISHED for job in jobs):
                    break
                await trio.sleep(1.0)
        # Creates that land late, and hosts that were away, get their sweep.
        await trio.sleep(120.0)

    async def orphans(self) -> list[str]:
        """Return what exists and is neither a live attempt's nor prepared for one."""
        hosts = self.life.world.hosts.values() if self.life else ()
        known = {sandbox_id for host in hosts for sandbox_id in host.shelf.ids}
        left = [name for each in self.cluster.leftovers().values() for name in flat(each)]
        return [name for name in left if sandbox_of(name) not in known]

    async def watch(self, seed: int) -> None:
        """Look now and then for two sandboxes of one job that run."""
        while True:
            running = [
                container.spec.labels[LABEL_JOB]
                for engine in self.cluster.engines.values()
                for container in engine.world.containers.values()
                if container.is_running and LABEL_JOB in container.spec.labels
            ]
            # A lost host may still run an attempt that was given up for another.
            twice = {job for job in running if running.count(job) > len(self.cluster.engines)}
            assert not twice, f"seed {seed}: {twice}"
            await trio.sleep(5.0)


def flat(kinds: dict[str, list[str]]) -> list[str]:
    return [name for names in kinds.values() for name in names]


async def live_through(seed: int) -> None:
    """Let faults happen, then hold the promise to what is left."""
    chaos = Chaos(seed)
    async with chaos.lives(), trio.open_nursery() as watching:
        watching.start_soon(chaos.watch, seed)
        async with trio.open_nursery() as nursery:
            for number in range(JOBS):
                nursery.start_soon(chaos.submit, number)
            for _ in range(FAULTS):
                await trio.sleep(chaos.rng.uniform(0, 12))
                await chaos.fault()
        for engine in chaos.cluster.engines.values():
            engine.come_back()
            engine.faults = Faults()
        await chaos.until_all_ended()
        assert len(chaos.wanted) == JOBS, seed
        for job_id, code in chaos.wanted.items():
            job = await chaos.cluster.job(job_id)
            assert job.phase is Phase.FINISHED, f"seed {seed}: {job}"
            assert await chaos.cluster.conclusions_written(job_id) == 1, f"seed {seed}: {job}"
            expected = Conclusion.SUCCESS if code == 0 else Conclusion.FAILURE
            allowed = {expected, Conclusion.CANCELLED} if job_id in chaos.cancelled else {expected}
            assert job.conclusion in allowed, f"seed {seed}: {job}"
            if job.conclusion is not Conclusion.CANCELLED:
                chunks = await chaos.cluster.ledger.log_chunks(job_id, job.attempt)
                assert b"".join(chunk.data for chunk in chunks) == b"begun\n", f"seed {seed}: {job}"
        assert await chaos.orphans() == [], seed
        held = [h.held for h in chaos.life.world.hosts.values()] if chaos.life else []
        assert not any(held), (seed, held)
        watching.cancel_scope.cancel()
    assert chaos.cluster.leftovers() == {}, seed


def run(seed: int) -> None:
    """Run one seed; trio's choice among runnable tasks is drawn from it too."""
    monkey = pytest.MonkeyPatch()
    monkey.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
    monkey.setattr("trio._core._run._r", random.Random(seed))  # noqa: S311 - as above
    random.seed(seed)
    try:
        trio.run(live_through, seed, clock=MockClock(autojump_threshold=0))
    finally:
        monkey.undo()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_promise_holds(seed: int) -> None:
    run(seed)


async def _nothing(*_: object) -> None:
    await trio.lowlevel.checkpoint()


def _never_a_restart(code: int, *, out_of_memory: bool, across_restart: bool) -> object:
    del across_restart
    return judge_exit(code, out_of_memory=out_of_memory, across_restart=False)


def _no_wake(self: Wakeups, quiet: Collection[Hashable]) -> None:
    del self, quiet


def _never_free(self: HostState, *sandbox_ids: str) -> None:
    del self, sandbox_ids


def _failed(_: object) -> Verdict:
    return Verdict(Conclusion.FAILURE, Reason.HOST_LOST, "lost")


def _seen_nothing(self: Resume, entry: LogEntry) -> bool:
    del self, entry
    return True


BUGS = {
    "nobody sweeps": ("runnerhub.actors.host.sweep", _nothing),
    "nobody adopts": ("runnerhub.actors.foreman.Foreman._start_missing", _nothing),
    "a flushed queue is not reconciled": ("runnerhub.actors.keeper.Keeper.reconcile", _nothing),
    "an engine's restart is the job's failure": (
        "runnerhub.actors.watch.judge_exit",
        _never_a_restart,
    ),
    "a create that landed is a refusal": ("runnerhub.actors.sandbox.NameConflict", KeyError),
    "a slot is never free again": ("runnerhub.actors.world.HostState.free", _never_free),
    "a lost host is the job's failure": ("runnerhub.actors.watch.lost_host", _failed),
    "a log is read again from where it broke": (
        "runnerhub.actors.logpump.Resume.is_new",
        _seen_nothing,
    ),
    "kits are taken for orphans": ("runnerhub.actors.shelf.Shelf.ids", frozenset[str]()),
    "a gap in the events wakes nobody": (
        "runnerhub.actors.wakeups.Wakeups.notify_others",
        _no_wake,
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_found(
    bug: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setattr(*BUGS[bug])
    for seed in range(100):
        try:
            run(seed)
        except (AssertionError, ExceptionGroup):
            record_property("seeds", seed + 1)
            return
    pytest.fail(f"100 seeds did not find: {bug}")
