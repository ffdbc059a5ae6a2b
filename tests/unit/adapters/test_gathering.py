"""Look-ups that are made together: who asks meanwhile, who leaves, and what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

import pytest
import trio
import trio.testing

from runnerhub.adapters.postgres.gathering import Gathering
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.runtime import Bridge, run_guest

Found = Gathering[str, str]


class Store:
    """Answers when it is let; notes what it was asked."""

    def __init__(self, bridge: Bridge) -> None:
        self.asked: list[list[str]] = []
        self.let = asyncio.Event()
        self.broken = False
        self.found: Found = Gathering(bridge, self.look_up)

    async def look_up(self, keys: Collection[str]) -> Mapping[str, str]:
        self.asked.append(sorted(keys))
        await self.let.wait()
        if self.broken:
            raise LedgerUnavailable("away")
        return {key: key.upper() for key in keys if key != "none"}

    async def until_asked(self, times: int) -> None:
        while len(self.asked) < times:
            await trio.lowlevel.checkpoint()


def case(body: Callable[[Store], Awaitable[None]]) -> None:
    async def main(bridge: Bridge) -> None:
        with trio.fail_after(5):
            await body(Store(bridge))

    run_guest(main)


def test_who_asks_meanwhile_is_answered_by_the_next_one() -> None:
    async def body(store: Store) -> None:
        answers: list[str | None] = []

        async def ask(key: str) -> None:
            answers.append(await store.found.get(key))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "a")
            await store.until_asked(1)
            for key in ("b", "none", "a", "b"):
                nursery.start_soon(ask, key)
            await trio.testing.wait_all_tasks_blocked()
            store.let.set()
        assert store.asked == [["a"], ["a", "b", "none"]]
        assert sorted(map(str, answers)) == ["A", "A", "B", "B", "None"]
        assert await store.found.get("c") == "C"

    case(body)


def test_who_leaves_takes_nobody_along() -> None:
    async def body(store: Store) -> None:
        async with trio.open_nursery() as nursery:

            async def stay() -> None:
                assert await store.found.get("a") == "A"

            nursery.start_soon(stay)
            await store.until_asked(1)
            with trio.move_on_after(0.01) as left:
                await store.found.get("b")
            assert left.cancelled_caught
            store.let.set()

    case(body)


def test_a_failure_is_of_all_who_asked_and_of_nobody_after() -> None:
    async def body(store: Store) -> None:
        store.broken = True
        store.let.set()
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(LedgerUnavailable, match="away"):
                    await store.found.get("a")

            for _ in range(3):
                nursery.start_soon(ask)
        store.broken = False
        assert await store.found.get("a") == "A"

    case(body)


def test_closing_it_tells_who_waits() -> None:
    async def body(store: Store) -> None:
        async with trio.open_nursery() as nursery:

            async def ask(key: str) -> None:
                with pytest.raises(LedgerUnavailable, match="closed"):
                    await store.found.get(key)

            nursery.start_soon(ask, "a")
            await store.until_asked(1)
            nursery.start_soon(ask, "b")
            await trio.testing.wait_all_tasks_blocked()
            await store.found.close()
        await store.found.close()

    case(body)
