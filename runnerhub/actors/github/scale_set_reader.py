"""The reader of a scale set's queue.

    session ─▶ poll ─▶ message ─▶ ledger ─▶ acknowledge ─▶ acquire what the ledger calls offered
       ▲                                                          │
       └──────────────── lost, or taken over ◀────────────────────┘

An outage anywhere is waited out here; whatever was not acknowledged comes again.
"""

import random

import structlog
import trio

from runnerhub.actors.github.scale_set_desk import ScaleSetDesk, ScaleSetState
from runnerhub.model.scale_set_job import Message
from runnerhub.ports.errors import PortError, StaleFence
from runnerhub.ports.scale_sets import (
    QueueTokenExpired,
    ScaleSet,
    ScaleSetRefused,
    ScaleSetsUnavailable,
    Session,
    SessionConflict,
    SessionLost,
)
from runnerhub.runtime import Backoff

log = structlog.get_logger(__name__)

MOST_ACQUIRED = 50
MOST_REFRESHED = 2
NOT_FOUND = 404


class Reader:
    """Read one queue, as long as its node has the lease.

    Args:
        desk: what the listeners share.
        state: of the scale set.
        fence: the token of the lease.
    """

    def __init__(self, desk: ScaleSetDesk, state: ScaleSetState, fence: int) -> None:
        self._desk = desk
        self._state = state
        self._options = state.options
        self._fence = fence
        self._session: Session | None = None
        self._last = 0
        self._durable: dict[int, None] = {}  # messages to acknowledge, in order
        self._noted = False  # whether the ledger knows the session
        self._refreshed = 0
        self._backoff = Backoff(first=0.5, cap=30.0, jitter=0.5)
        self._rng = random.Random(random.getrandbits(64))  # noqa: S311 - jitter; replays when seeded

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            StaleFence: another node has the lease.
        """
        failures = 0
        while True:
            try:
                await self._turn()
                failures = 0
                continue
            except QueueTokenExpired:
                if await self._refresh():
                    continue
            except SessionLost as error:
                self._lose(error)
            except StaleFence:
                raise
            except SessionConflict as error:
                self._state.conflicts += 1
                self._say("waits for a session", "scale_set_conflict", error)
            except ScaleSetRefused as error:
                if error.status == NOT_FOUND:
                    self._state.scale_set = None
                    self._lose(error)
                self._say("scale set refused", "scale_set_refused", error)
            except PortError as error:
                self._say("scale set waits", "scale_set_outage", error)
            failures += 1
            await trio.sleep(self._backoff.delay(failures, self._rng))

    async def close(self) -> None:
        """Close the session, so that another need not wait for it to lapse."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            await self._desk.service.close_session(session.scope, session.scale_set, session.id)
            await self._desk.ledger.note_session(self._options.name, self._fence, None)
        except PortError as error:
            self._say("session stays open", "scale_set_not_closed", error)

    async def _turn(self) -> None:
        scale_set = self._state.scale_set or await self._ensure()
        session = self._session or await self._open(scale_set)
        if not self._noted:
            await self._desk.ledger.note_session(self._options.name, self._fence, session.id)
            self._noted = True
        await self._acknowledge(session)
        await self._acquire(session)
        message = await self._poll(session)
        self._refreshed = 0
        if message is not None:
            await self._take(session, message)
        else:
            await self._look(scale_set, session)

    async def _ensure(self) -> ScaleSet:
        options, service = self._options, self._desk.service
        group, labels = options.pool.runner_group, sorted(options.pool.labels) or [options.name]
        found = await service.find(options.scope, options.name, group)
        if found is None:
            found = await service.create(options.scope, options.name, group, labels)
            log.info("scale set made", action="scale_set_made", scale_set=options.name)
        elif {label.lower() for label in found.labels} != set(labels):
            log.warning(
                "the scale set has other labels than its pool", action="scale_set_labels",
                scale_set=options.name, labels=found.labels, pool=labels,
            )  # fmt: skip
        self._state.scale_set = found
        return found

    async def _open(self, scale_set: ScaleSet) -> Session:
        """Open a session. One that the ledger names is ours, of an earlier life: it gives way."""
        options, service, ledger = self._options, self._desk.service, self._desk.ledger
        world = self._desk.world
        owner = f"runnerhub-{world.cluster}-{world.settings.node_id}"
        earlier = await ledger.session(options.name)
        try:
            session = await service.open_session(options.scope, scale_set.id, owner)
        except SessionConflict:
            if earlier is None:
                raise
            await service.close_session(options.scope, scale_set.id, earlier)
            await ledger.note_session(options.name, self._fence, None)
            session = await service.open_session(options.scope, scale_set.id, owner)
        self._session, self._last = session, 0
        self._durable.clear()  # it comes again
        self._noted = False
        self._state.listening = True
        self._state.hear(session.statistics)
        log.info("listening", action="scale_set_listening", scale_set=options.name)
        return session

    async def _poll(self, session: Session) -> Message | None:
        state = self._state
        scope = trio.CancelScope()  # the crew cancels it once there is room that was not told of
        state.told = (state.capacity, scope)
        try:
            with scope:
                message = await self._desk.service.poll(session, self._last, state.capacity)
                state.heard_at = trio.current_time()
                return message
            return None
        finally:
            state.told = None

    async def _take(self, session: Session, message: Message) -> None:
        """Make durable what a message says, and only then acknowledge it."""
        state, world = self._state, self._desk.world
        if message.unreadable:
            state.unreadable += message.unreadable
            log.warning("parts of a message are unknown", action="scale_set_unreadable",
                        scale_set=self._options.name, parts=message.unreadable)  # fmt: skip
        await self._desk.ledger.observe(self._options.name, message.jobs)
        known = [each.job for each in message.jobs if each.job_id is not None]
        if known and world.github_jobs is not None:
            await world.github_jobs.observe(known)
            world.github_jobs_changed.notify()
        # Heard before it is acknowledged: where that answer is lost it may never come again. And
        # only once: what comes again may tell of a time that is past.
        if message.id > self._last:
            state.hear(message.statistics)
        if message.newest_at is not None:
            age = (self._desk.now() - message.newest_at).total_seconds()
            state.message_age = max(0.0, age)
        self._last = max(self._last, message.id)
        self._durable[message.id] = None
        await self._acknowledge(session)

    async def _acknowledge(self, session: Session) -> None:
        """Acknowledge what is durable. Where that fails, later messages need not wait for it."""
        for number in list(self._durable):
            try:
                await self._desk.service.acknowledge(session, number)
            except ScaleSetsUnavailable as error:
                self._say("not acknowledged", "scale_set_outage", error)
                return
            del self._durable[number]
            self._state.messages += 1

    async def _look(self, scale_set: ScaleSet, session: Session) -> None:
        """Ask for statistics where no message brings any: what was missed heals."""
        options, service = self._options, self._desk.service
        found = await service.find(options.scope, options.name, options.pool.runner_group)
        if found is None or found.id != scale_set.id:
            raise ScaleSetRefused(NOT_FOUND, "", f"the scale set {options.name} is gone")
        if found.statistics is None:
            self._session = session = await service.refresh_session(session)
        self._state.hear(found.statistics or session.statistics)

    async def _acquire(self, session: Session) -> None:
        """Acquire what was offered; what the service does not give is somebody else's."""
        name, ledger = self._options.name, self._desk.ledger
        wanted = await ledger.available(name, limit=MOST_ACQUIRED)
        if not wanted:
            return
        got = await self._desk.service.acquire(session, wanted)
        await ledger.settle(name, got, set(wanted) - set(got))
        self._state.acquired += len(got)

    async def _refresh(self) -> bool:
        """Renew the queue's token; tell whether to go on at once."""
        session = self._session
        self._refreshed += 1
        if session is None or self._refreshed > MOST_REFRESHED:
            self._lose(SessionLost("its token is refused again and again"))
            return False
        try:
            self._session = await self._desk.service.refresh_session(session)
        except SessionLost as error:
            self._lose(error)
        except PortError as error:
            self._say("session not renewed", "scale_set_outage", error)
        else:
            self._state.hear(self._session.statistics)
            return True
        return False

    def _lose(self, error: PortError) -> None:
        if self._session is not None:
            self._state.sessions_lost += 1
            self._say("session lost", "scale_set_session_lost", error)
        self._session = None
        self._refreshed = 0
        self._state.listening = False

    def _say(self, words: str, action: str, error: PortError) -> None:
        log.warning(words, action=action, scale_set=self._options.name, why=str(error))
