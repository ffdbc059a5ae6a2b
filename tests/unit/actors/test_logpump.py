"""What a log pump has read is in the ledger, however the log ends."""

from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
import trio
from trio.testing import MockClock

from runnerhub.actors.logpump import LogPump
from runnerhub.actors.wakeups import Wakeups
from runnerhub.model.logs import LogEntry
from runnerhub.ports.errors import EngineRefused, EngineUnavailable, PortError
from runnerhub.ports.ledger import LogChunk


class Log:
    """A log that breaks behind one line; then there is none any more."""

    def __init__(self, error: PortError) -> None:
        self._left: list[LogEntry | PortError] = [
            LogEntry("stdout", "2026-01-01T00:00:00.000000001Z", b"last words\n"),
            error,
        ]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def receive(self) -> LogEntry:
        await trio.lowlevel.checkpoint()
        if not self._left:
            raise EngineRefused("no such container")
        match self._left.pop(0):
            case LogEntry() as entry:
                return entry
            case error:
                raise error


@pytest.mark.parametrize(
    "error", [EngineRefused("cannot read it"), EngineUnavailable("it went away")]
)
async def test_what_was_read_before_a_log_broke_is_kept(
    error: PortError, autojump_clock: MockClock
) -> None:
    log, kept = Log(error), list[LogChunk]()

    async def append_log(chunk: LogChunk, _: int) -> None:
        await trio.lowlevel.checkpoint()
        kept.append(chunk)

    world = SimpleNamespace(
        ledger=SimpleNamespace(append_log=append_log),
        settings=SimpleNamespace(log_max_mb=1),
        logs_changed=Wakeups(),
    )
    host = SimpleNamespace(
        engine=SimpleNamespace(logs=lambda *_: log), changed=Wakeups(), reachable=True, lease=None
    )
    job = SimpleNamespace(id="job_1", attempt=1)
    pump = LogPump(cast("Any", world), cast("Any", host), cast("Any", job), "rh-x", begun=False)
    with trio.fail_after(60):
        await pump.run()
    assert pump.done.is_set()
    assert [chunk.data for chunk in kept] == [b"last words\n"]
