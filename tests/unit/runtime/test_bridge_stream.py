"""Streams, on real time but short."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
import trio

from runnerhub.runtime import Bridge, CallCancelled, open_stream

from .test_bridge import Guest, guest

__all__ = ["guest"]  # the fixture


class Source:
    """Counts up, and remembers how far it came and how it ended."""

    def __init__(
        self, end: int = 10**9, error: Exception | None = None, *, hangs: bool = False
    ) -> None:
        self.end = end
        self.error = error
        self.hangs = hangs
        self.made = 0
        self.closed = False

    async def count(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self.end):
                self.made += 1
                yield number
            if self.error is not None:
                raise self.error
            if self.hangs:
                await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0.002)
            self.closed = True


def test_s59_items_come_in_order_until_the_end(guest: Guest[None]) -> None:
    source = Source(500)

    async def main(bridge: Bridge) -> None:
        async with open_stream(bridge, source.count, buffer=7) as stream:
            assert [item async for item in stream] == list(range(500))

    guest(main)
    assert source.closed


def test_s59_a_slow_receiver_stops_the_generator(guest: Guest[None]) -> None:
    source = Source()

    async def main(bridge: Bridge) -> None:
        async with open_stream(bridge, source.count, buffer=4) as stream:
            await trio.sleep(0.01)
            assert source.made == 4
            assert [await stream.receive() for _ in range(3)] == [0, 1, 2]
            await trio.sleep(0.01)
            assert source.made == 7

    guest(main)


def test_s59_a_stream_without_room_is_refused(guest: Guest[None]) -> None:
    async def main(bridge: Bridge) -> None:
        with pytest.raises(ValueError, match="at least one"):
            async with open_stream(bridge, Source().count, buffer=0):
                pytest.fail("it must not open")

    guest(main)


def test_s60_an_exception_comes_after_the_items(guest: Guest[None]) -> None:
    async def main(bridge: Bridge) -> None:
        got: list[int] = []
        async with open_stream(bridge, Source(3, ValueError("cut")).count) as stream:
            await trio.sleep(0.01)
            with pytest.raises(ValueError, match="cut"):  # noqa: PT012 - the loop raises
                async for item in stream:
                    got.append(item)  # noqa: PERF401 - what came before the error counts
            assert got == [0, 1, 2]

    guest(main)


def test_s60_an_end_that_nobody_asked_for_is_no_end(guest: Guest[None]) -> None:
    async def cancels_itself() -> AsyncGenerator[int, None]:
        yield 1
        raise asyncio.CancelledError

    async def main(bridge: Bridge) -> None:
        async with open_stream(bridge, cancels_itself) as stream:
            assert await stream.receive() == 1
            with pytest.raises(CallCancelled):
                await stream.receive()

    guest(main)


def test_s61_leaving_closes_the_generator(guest: Guest[None]) -> None:
    source = Source(1, hangs=True)

    async def main(bridge: Bridge) -> None:
        async with open_stream(bridge, source.count) as stream:
            assert await stream.receive() == 0
            with trio.move_on_after(0.005) as scope:
                await stream.receive()
            assert scope.cancelled_caught
        assert source.closed
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive()

    guest(main)


def test_s61_also_when_cancelled(guest: Guest[None]) -> None:
    source = Source()

    async def main(bridge: Bridge) -> None:
        with trio.CancelScope() as scope:
            async with open_stream(bridge, source.count) as stream:
                async for item in stream:
                    if item == 3:
                        scope.cancel()
        assert scope.cancelled_caught
        assert source.closed
        assert len(asyncio.all_tasks(bridge.loop)) == 1

    guest(main)


def test_s61_also_when_the_body_fails(guest: Guest[None]) -> None:
    source = Source()

    async def main(bridge: Bridge) -> None:
        # As it was raised, in no group.
        with pytest.raises(ValueError, match="mine"):  # noqa: PT012 - the body is the point
            async with open_stream(bridge, source.count) as stream:
                await stream.receive()
                raise ValueError("mine")
        assert source.closed
        assert len(asyncio.all_tasks(bridge.loop)) == 1

    guest(main)


def test_s61_within_the_grace(guest: Guest[None]) -> None:
    async def main(bridge: Bridge) -> None:
        bridge.grace_seconds = 0.01
        gate = asyncio.Event()

        async def stubborn() -> AsyncGenerator[int, None]:
            yield 0
            while not gate.is_set():
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    continue
            yield 1

        async with open_stream(bridge, stubborn) as stream:
            assert await stream.receive() == 0
        assert bridge.statistics().abandoned == 1
        gate.set()

    guest(main)


def test_s58_a_storm_of_streams_leaves_nothing(guest: Guest[None]) -> None:
    sources = [Source() for _ in range(40)]

    async def follow(bridge: Bridge, source: Source, seconds: float) -> None:
        with trio.move_on_after(seconds):
            async with open_stream(bridge, source.count, buffer=3) as stream:
                async for _ in stream:
                    pass

    async def main(bridge: Bridge) -> None:
        async with trio.open_nursery() as nursery:
            for number, source in enumerate(sources):
                nursery.start_soon(follow, bridge, source, number * 0.0005)
            await trio.sleep(0.012)
            nursery.cancel_scope.cancel()
        assert len(asyncio.all_tasks(bridge.loop)) == 1

    guest(main)
    assert all(source.closed for source in sources if source.made)
