"""What has stayed is not walked again, and what became garbage meanwhile is found in the end."""

import gc
import weakref
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from runnerhub.runtime import ChildSpec, Root, Supervisor
from runnerhub.runtime.garbage import GROWN_BYTES, WORTH_BYTES, Thawing, frozen_when_old

MB = 2**20


class Link:
    """Part of a circle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def frozen() -> Iterator[None]:
    with frozen_when_old():
        yield


def a_circle_that_was_old() -> "weakref.ref[Link]":
    circle = Link()
    gc.collect()
    return weakref.ref(circle)


@pytest.mark.usefixtures("frozen")
def test_what_a_full_collection_leaves_is_not_walked_again() -> None:
    kept = [Link() for _ in range(1000)]
    gc.collect()
    assert not any(isinstance(each, Link) for each in gc.get_objects())
    circle = Link()
    watched = weakref.ref(circle)
    del circle
    gc.collect()
    assert watched() is None
    assert len(kept) == 1000


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize(
    ("grown", "quiet", "thaws"),
    [
        (WORTH_BYTES + 1, True, True),
        (WORTH_BYTES + 1, False, False),
        (WORTH_BYTES - 1, True, False),
        (GROWN_BYTES + 1, False, True),
    ],
)
def test_a_thaw_finds_what_became_garbage(grown: int, *, quiet: bool, thaws: bool) -> None:
    size = [100 * MB]
    thawing = Thawing(lambda: quiet, lambda: size[0])
    circle = a_circle_that_was_old()
    gc.collect()
    assert circle() is not None
    size[0] += grown
    assert thawing.look() is thaws
    assert (circle() is None) is thaws
    assert not thawing.look()
    assert bool(gc.get_freeze_count())


def test_a_large_process_has_to_double_before_it_is_held_up() -> None:
    size = [3000 * MB]
    thawing = Thawing(lambda: False, lambda: size[0])
    size[0] += GROWN_BYTES + 1
    assert not thawing.look()


async def test_it_looks_once_a_minute_until_stopped(autojump_clock: MockClock) -> None:
    looks: list[float] = []

    def size() -> int:
        looks.append(trio.current_time())
        return 0

    garbage = ChildSpec("garbage", Thawing(lambda: True, size).run, kind="garbage")
    root = Root(Supervisor("root", [garbage]).spec())
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        await trio.sleep(200)
        root.stop()
    assert len(looks) == 4


def test_leaving_it_thaws() -> None:
    with frozen_when_old():
        assert gc.get_freeze_count()
    assert not gc.get_freeze_count()
