"""From a container's log to the ledger: in chunks, without losing or doubling a line.

A chunk carries the cursor behind its last entry, in the same write. Whoever goes on (this pump
after a broken stream, or another life of the node) reads the log again from the cursor's
timestamp and skips what the cursor has seen.
"""

import structlog
import trio

from runnerhub.actors.world import HostState, World
from runnerhub.model.handover import never_handed
from runnerhub.model.job import Job
from runnerhub.model.logs import LogCursor, LogEntry, Resume
from runnerhub.ports.errors import EngineRefused, EngineUnavailable, LedgerUnavailable
from runnerhub.ports.ledger import LogChunk

log = structlog.get_logger(__name__)

CHUNK_BYTES = 64 * 1024
# What a full file system says, and what a storage driver that counts says.
NO_SPACE = (b"No space left on device", b"Disk quota exceeded")
CHUNK_SECONDS = 0.2
# What is written after a silence goes soon: somebody may be watching.
FIRST_SECONDS = 0.002


class LogPump:
    """Pump the log of one attempt's main container until its end.

    Args:
        world: the ledger and settings.
        host: where the container is.
        job: whose attempt it is.
        container: its name.
        begun: whether another pump may have written some of this log.

    Attributes:
        done: set when the log is in the ledger, whole.
        says_disk_full: whether a line says that no space is left.
        says_never_handed: whether a warm sandbox says that it was handed no job.
    """

    def __init__(
        self, world: World, host: HostState, job: Job, container: str, *, begun: bool
    ) -> None:
        self._world = world
        self._host = host
        self._job = job
        self._container = container
        self._begun = begun
        self._seq = 0
        self._stored = 0
        self._cursor = LogCursor()
        self._cut = False
        self.done = trio.Event()
        self.says_disk_full = False
        self.says_never_handed = False

    async def run(self) -> None:
        """Pump to the end. Cancelling it loses nothing: the cursor says where to go on."""
        if self._begun:
            await self._find_end()
        while not self.done.is_set():
            ticket = self._host.changed.ticket()
            try:
                async with self._host.engine.logs(self._container, self._cursor.at) as entries:
                    await self._drain(entries)
                self.done.set()
            except EngineRefused:
                self.done.set()  # there is no such container any more, so there is no more log
            except EngineUnavailable:
                # The host's actor wakes everybody once it is connected again.
                with trio.move_on_after(1.0 if self._host.reachable else 5.0):
                    await ticket.wait()

    async def _find_end(self) -> None:
        while True:
            try:
                end = await self._world.ledger.log_end(self._job.id, self._job.attempt)
            except LedgerUnavailable:
                await trio.sleep(1.0)
            else:
                self._seq, self._cursor, self._stored = end
                self._cut = self._stored >= self._limit
                return

    @property
    def _limit(self) -> int:
        return self._world.settings.log_max_mb * 1024 * 1024

    async def _drain(self, entries: trio.abc.ReceiveChannel[LogEntry]) -> None:
        resume = Resume(self._cursor)
        batch: list[LogEntry] = []
        size, flush_at, flushed_at = 0, float("inf"), float("-inf")
        ended = False
        while not ended:
            entry = None
            with trio.move_on_at(flush_at):
                try:
                    entry = await entries.receive()
                except trio.EndOfChannel:
                    ended = True
                except (EngineRefused, EngineUnavailable):
                    if batch:
                        # Who asks again may find that there is no such container any more.
                        await self._store(batch)
                    raise
            if entry is not None and resume.is_new(entry):
                if not batch:
                    soon = trio.current_time() + FIRST_SECONDS
                    flush_at = max(soon, flushed_at + CHUNK_SECONDS)
                batch.append(entry)
                size += len(entry.data)
            overdue = trio.current_time() >= flush_at
            if batch and (ended or overdue or size >= CHUNK_BYTES):
                await self._store(batch)
                batch, size, flush_at = [], 0, float("inf")
                flushed_at = trio.current_time()

    async def _store(self, batch: list[LogEntry]) -> None:
        cursor, parts = self._cursor, []
        unhanded = never_handed(self._container)
        for entry in batch:
            cursor = cursor.advance(entry)
            parts.append(entry.data)
            self.says_never_handed = self.says_never_handed or entry.data == unhanded
            self.says_disk_full = self.says_disk_full or any(w in entry.data for w in NO_SPACE)
        data = b"".join(parts)
        if not self._cut and self._stored + len(data) > self._limit:
            room = max(0, self._limit - self._stored)
            words = f"\n[log cut: it is longer than {self._world.settings.log_max_mb} MiB]\n"
            data, self._cut = data[:room] + words.encode(), True
        elif self._cut:
            self._cursor = cursor
            return
        await self._append(data, cursor)

    async def _append(self, data: bytes, cursor: LogCursor) -> None:
        chunk = LogChunk(self._job.id, self._job.attempt, self._seq, data, cursor)
        while True:
            lease = self._host.lease
            try:
                await self._world.ledger.append_log(chunk, lease.token if lease else -1)
            except LedgerUnavailable:
                await trio.sleep(1.0)
            else:
                break
        self._seq += 1
        self._stored += len(data)
        self._cursor = cursor
        self._world.logs_changed.notify(self._job.id)
