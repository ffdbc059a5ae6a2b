from collections.abc import Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from runnerhub.runtime import Down, Monitor, NameTaken, Reason, Registry
from runnerhub.runtime.mailbox import Mailbox
from runnerhub.runtime.ref import ActorRef


@pytest.fixture
def make() -> Callable[[str], ActorRef[object]]:
    def made(name: str) -> ActorRef[object]:
        return ActorRef(name, "test", Mailbox(1))

    return made


def down_of(ref: ActorRef[object]) -> Down:
    return Down(ref.name, ref.kind, Reason.CRASHED, ValueError())


async def test_s22_one_down_for_each_life(make: Callable[[str], ActorRef[object]]) -> None:
    refs = [make(name) for name in "ab"]
    monitor = Monitor()
    for ref in refs:
        monitor.watch(ref)
        monitor.watch(ref)  # twice is once
    downs = [down_of(ref) for ref in refs]
    for ref, down in zip(refs, downs, strict=True):
        ref.end(down)
    assert [await monitor.receive(), await anext(monitor)] == downs
    with trio.move_on_after(0) as scope:
        await monitor.receive()
    assert scope.cancelled_caught


async def test_s22_a_receiver_that_waits_is_woken(
    make: Callable[[str], ActorRef[object]],
) -> None:
    ref = make("a")
    monitor = Registry().monitor(ref)
    got: list[Down] = []
    async with trio.open_nursery() as nursery:

        async def receive() -> None:
            got.append(await monitor.receive())

        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        ref.end(down_of(ref))
    assert [down.name for down in got] == ["a"]


async def test_s22_who_no_longer_watches_hears_nothing(
    make: Callable[[str], ActorRef[object]],
) -> None:
    one, two = make("a"), make("b")
    with Monitor() as monitor:
        monitor.watch(one)
        monitor.unwatch(one)
        monitor.unwatch(one)
        monitor.watch(two)
    for ref in (one, two):
        ref.end(down_of(ref))
    with trio.move_on_after(0) as scope:
        await monitor.receive()
    assert scope.cancelled_caught


async def test_s23_the_dead_and_the_unknown_answer_at_once(
    make: Callable[[str], ActorRef[object]],
) -> None:
    ref = make("a")
    down = down_of(ref)
    ref.end(down)
    monitor = Registry().monitor(ref, "nobody")
    assert await monitor.receive() == down
    assert await monitor.receive() == Down("nobody", "unknown", Reason.UNKNOWN)


async def test_s25_no_down_is_dropped(make: Callable[[str], ActorRef[object]]) -> None:
    refs = [make(str(number)) for number in range(5000)]
    monitor = Registry().monitor(*refs)
    for ref in refs:
        ref.end(down_of(ref))
    names = [(await monitor.receive()).name for _ in refs]
    assert names == [ref.name for ref in refs]


async def test_s26_a_name_is_free_after_the_end(make: Callable[[str], ActorRef[object]]) -> None:
    registry = Registry()
    first, second = make("a"), make("a")
    registry.add(first)
    with pytest.raises(NameTaken):
        registry.add(second)
    first.end(down_of(first))
    registry.add(second)
    assert registry.ref("a") is second
