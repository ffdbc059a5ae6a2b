"""The socket: who may come in, how many, and what is left of it."""

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from runnerhub.console.client import Client, ConsoleLost
from runnerhub.console.door import MOST_GUESTS, Door, private_socket
from runnerhub.console.protocol import SOCKET_NAME, ConsoleError
from runnerhub.runtime import ChildSpec
from tests.unit.runtime.helpers import Diary, Tree, a_tree

from .helpers import TwoHosts, desk_of


@asynccontextmanager
async def an_open_door(folder: Path) -> AsyncIterator[Tree]:
    diary = Diary()
    tree: Tree

    async def door(ctx: Any) -> None:
        await Door(desk_of(tree, TwoHosts()), folder).run(ctx)

    async with a_tree(diary.spec("a")) as tree:
        await tree.supervisor.start_child(ChildSpec("console", door, kind="console", shutdown=1.0))
        yield tree


async def ask(folder: Path, command: str, **args: Any) -> dict[str, Any]:
    def blocking() -> dict[str, Any]:
        with Client(folder) as client:
            parts = list(client.call(command, args))
            return {**client.result, "parts": parts}

    return await trio.to_thread.run_sync(blocking)


async def test_a_client_attaches(tmp_path: Path) -> None:
    async with an_open_door(tmp_path):
        answer = await ask(tmp_path, "tree")
        assert answer["actors"] == 3
        assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []


async def test_a_deep_data_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    async with an_open_door(deep):
        assert (await ask(deep, "tree"))["actors"] == 3


async def test_a_refusal_reaches_the_client(tmp_path: Path) -> None:
    async with an_open_door(tmp_path):
        with pytest.raises(ConsoleError, match="there is no actor x"):
            await ask(tmp_path, "actor", actor="x")


async def test_guests_have_a_bound(tmp_path: Path) -> None:
    async with an_open_door(tmp_path):

        def crowd() -> str:
            inside = [Client(tmp_path) for _ in range(MOST_GUESTS)]
            try:
                Client(tmp_path)
            except ConsoleError as error:
                return str(error)
            finally:
                for each in inside:
                    each.close()
            return "let in"

        why = await trio.to_thread.run_sync(crowd)
        assert why == "16 consoles are attached already"


async def test_a_live_answer_that_is_not_read_to_its_end_is_stopped(tmp_path: Path) -> None:
    async with an_open_door(tmp_path):

        def look() -> int:
            with Client(tmp_path) as client:
                for _ in client.call("top", {"interval": 0.2}):
                    break
                return len(list(client.call("tree", {})))

        assert await trio.to_thread.run_sync(look) == 1


async def test_a_stop_cuts_the_guests_off(tmp_path: Path) -> None:
    async with an_open_door(tmp_path) as tree:

        def wait() -> None:
            with Client(tmp_path) as client:
                for _ in client.call("trace", {"job": "job_1", "seconds": 60}):
                    trio.from_thread.run_sync(attached.set)

        async def attach() -> None:
            with pytest.raises(ConsoleLost, match="closed the console"):
                await trio.to_thread.run_sync(wait)

        attached = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attach)
            await attached.wait()
            await tree.supervisor.stop_child("console")


async def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    with private_socket(tmp_path) as _:
        (tmp_path / SOCKET_NAME).rename(tmp_path / "kept")
    (tmp_path / "kept").rename(tmp_path / SOCKET_NAME)
    with pytest.raises(ConsoleError, match="no process answers"):
        Client(tmp_path)
    async with an_open_door(tmp_path):
        assert (await ask(tmp_path, "tree"))["actors"] == 3


async def test_a_door_that_cannot_open_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / SOCKET_NAME).mkdir()
    with structlog.testing.capture_logs() as logs:
        async with an_open_door(tmp_path) as tree:
            assert tree.ref("console").alive
    assert [entry["action"] for entry in logs] == ["console_closed"]


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_no_process_no_console(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ConsoleError) as caught:
        Client(tmp_path / folder)
    assert "is `runnerhub serve` running there?" in str(caught.value)
