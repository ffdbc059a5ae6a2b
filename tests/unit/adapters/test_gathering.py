"""What is done together: who asks meanwhile, who leaves, who is kept apart, what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import pytest
import trio
import trio.testing

from runnerhub.adapters.postgres import gathering
from runnerhub.adapters.postgres.gathering import Gathering
from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.runtime import Bridge, run_guest

Found = Gathering[str, str]


class Spoilt(Exception):
    pass


class Store:
    """Answers when it is let; notes what it was asked."""

    def __init__(self, bridge: Bridge) -> None:
        self.asked: list[list[str]] = []
        self.let = asyncio.Event()
        self.broken = False
        self.found: Found = Gathering(bridge, self.do)
        # Of two that begin with the same letter the later one waits.
        self.apart: Found = Gathering(bridge, self.do, apart=lambda what: what[0], most=3)

    async def do(self, asked: Sequence[str]) -> Sequence[str | Exception]:
        self.asked.append(list(asked))
        await self.let.wait()
        if self.broken:
            raise LedgerUnavailable("away")
        if "poison" in asked:
            raise Spoilt
        return [Spoilt(what) if what == "bad" else what.upper() for what in asked]

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
        answers: list[str] = []

        async def ask(what: str) -> None:
            answers.append(await store.found.ask(what))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "a")
            await store.until_asked(1)
            for what in ("b", "a", "b"):
                nursery.start_soon(ask, what)
            await trio.testing.wait_all_tasks_blocked()
            store.let.set()
        assert [sorted(asked) for asked in store.asked] == [["a"], ["a", "b", "b"]]
        assert sorted(answers) == ["A", "A", "B", "B"]
        assert await store.found.ask("c") == "C"

    case(body)


def test_what_is_to_be_kept_apart_is_done_in_the_order_in_which_it_was_asked() -> None:
    async def body(store: Store) -> None:
        async with trio.open_nursery() as nursery:
            for what in ("x", "a1", "a2", "b1", "a3", "c1", "d1", "b2"):
                nursery.start_soon(store.apart.ask, what)
                await trio.testing.wait_all_tasks_blocked()
            store.let.set()
        rest = [["a1", "b1", "c1"], ["a2", "d1", "b2"], ["a3"]]
        assert store.asked == [["x"], *rest]

    case(body)


@pytest.mark.parametrize("spoilt", ["bad", "poison"])
def test_what_fails_alone_fails_nobody_else(spoilt: str) -> None:
    async def body(store: Store) -> None:
        answers: list[str] = []

        async def ask(what: str) -> None:
            try:
                answers.append(await store.apart.ask(what))
            except Spoilt:
                answers.append("spoilt")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "a")
            await store.until_asked(1)
            for what in ("e", spoilt, "c"):
                nursery.start_soon(ask, what)
            await trio.testing.wait_all_tasks_blocked()
            store.let.set()
        assert sorted(answers) == sorted(["A", "E", "C", "spoilt"])

    case(body)


def test_what_was_asked_is_done_though_who_asked_has_left() -> None:
    async def body(store: Store) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.found.ask, "a")
            await store.until_asked(1)
            nursery.start_soon(store.found.ask, "b")
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        store.let.set()
        assert await store.found.ask("c") == "C"
        assert store.asked == [["a"], ["b", "c"]]

    case(body)


def test_who_leaves_takes_nobody_along() -> None:
    async def body(store: Store) -> None:
        async with trio.open_nursery() as nursery:

            async def stay() -> None:
                assert await store.found.ask("a") == "A"

            nursery.start_soon(stay)
            await store.until_asked(1)
            with trio.move_on_after(0.01) as left:
                await store.found.ask("b")
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
                    await store.found.ask("a")

            for _ in range(3):
                nursery.start_soon(ask)
        store.broken = False
        assert await store.found.ask("a") == "A"

    case(body)


def test_closing_it_tells_who_waits() -> None:
    async def body(store: Store) -> None:
        async with trio.open_nursery() as nursery:

            async def ask(key: str) -> None:
                with pytest.raises(LedgerUnavailable, match="closed"):
                    await store.found.ask(key)

            nursery.start_soon(ask, "a")
            await store.until_asked(1)
            nursery.start_soon(ask, "b")
            await trio.testing.wait_all_tasks_blocked()
            await store.found.close()
        await store.found.close()

    case(body)


def test_closing_it_at_the_moment_of_the_first_question_loses_nobody() -> None:
    async def body(store: Store) -> None:
        store.let.set()
        for _ in range(8):  # who comes first in a tick is left to chance
            async with trio.open_nursery() as nursery:

                async def ask() -> None:
                    with suppress(LedgerUnavailable):
                        assert await store.found.ask("a") == "A"

                nursery.start_soon(ask)
                nursery.start_soon(store.found.close)
        assert await store.found.ask("b") == "B"

    case(body)


def test_in_an_outage_nobody_waits_for_batch_after_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(store: Store) -> None:
        store.broken = True
        async with trio.open_nursery() as nursery:

            async def ask(what: str) -> None:
                with pytest.raises(LedgerUnavailable, match="away"):
                    await store.apart.ask(what)

            nursery.start_soon(ask, "a1")
            await store.until_asked(1)
            for n in range(2, 20):
                nursery.start_soon(ask, f"a{n}")
            await trio.testing.wait_all_tasks_blocked()
            monkeypatch.setattr(gathering, "PATIENCE_SECONDS", 0.0)
            store.let.set()
        assert store.asked == [["a1"]]
        store.broken = False
        assert await store.apart.ask("a") == "A"

    case(body)
