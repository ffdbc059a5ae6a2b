"""A short command that is interrupted closes what it opened."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from runnerhub.config import HostSettings, Settings
from runnerhub.service import doctor, reaping

HOST = HostSettings(name="h1", url="unix:///nowhere/docker.sock")


class Silent:
    """An engine that never answers; closing it takes a moment."""

    closed = False

    async def open(self) -> None:
        await trio.lowlevel.checkpoint()

    async def containers(self, _: str) -> None:
        await trio.sleep_forever()

    async def info(self) -> None:
        await trio.sleep_forever()

    async def close(self) -> None:
        await trio.sleep(1)
        self.closed = True


@pytest.mark.parametrize(
    ("module", "command"),
    [
        (
            "runnerhub.service.reaping",
            partial(
                reaping._reap, settings=Settings(docker_hosts=(HOST,)), dry_run=True, cluster=None
            ),
        ),
        ("runnerhub.service.doctor", partial(doctor._host, settings=Settings(), host=HOST)),
    ],
    ids=["reap", "doctor"],
)
async def test_its_connections_are_closed(
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: MockClock,
    module: str,
    command: Callable[[Any], Awaitable[Any]],
) -> None:
    engine = Silent()
    monkeypatch.setattr(f"{module}.docker_engine", lambda *_: engine)
    with trio.move_on_after(5) as interrupt:
        await command(None)
    assert interrupt.cancelled_caught
    assert engine.closed
