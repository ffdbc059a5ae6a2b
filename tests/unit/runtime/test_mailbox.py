import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from runnerhub.runtime import ActorDied, MailboxFull, Stopped
from runnerhub.runtime.mailbox import Mailbox


async def test_s1_a_full_mailbox_refuses_and_changes_nothing() -> None:
    box = Mailbox[int](2)
    box.put_nowait(1)
    box.put_nowait(2)
    with pytest.raises(MailboxFull):
        box.put_nowait(3)
    assert [await box.get(), await box.get()] == [1, 2]
    statistics = box.statistics()
    assert (statistics.depth, statistics.refused, statistics.received) == (0, 1, 2)


def test_s1_a_mailbox_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Mailbox[int](0)


async def test_s2_waiting_senders_get_in_in_their_order() -> None:
    box = Mailbox[int](1)
    box.put_nowait(0)
    async with trio.open_nursery() as nursery:
        for number in (1, 2, 3):
            nursery.start_soon(box.put, number)
            await wait_all_tasks_blocked()
        assert box.statistics().senders_waiting == 3
        assert await box.get() == 0
        # The room that this made belongs to the first waiting sender, not to a newcomer.
        with pytest.raises(MailboxFull):
            box.put_nowait(9)
        assert [await box.get(), await box.get(), await box.get()] == [1, 2, 3]


@given(capacity=st.integers(1, 8), counts=st.lists(st.integers(0, 20), min_size=1, max_size=4))
def test_s3_messages_of_one_sender_keep_their_order(capacity: int, counts: list[int]) -> None:
    got: list[tuple[int, int]] = []

    async def sender(box: Mailbox[tuple[int, int]], who: int, count: int) -> None:
        for number in range(count):
            await box.put((who, number))

    async def main() -> None:
        box = Mailbox[tuple[int, int]](capacity)
        async with trio.open_nursery() as nursery:
            for who, count in enumerate(counts):
                nursery.start_soon(sender, box, who, count)
            for _ in range(sum(counts)):
                got.append(await box.get())
                assert box.statistics().depth <= capacity

    trio.run(main)
    for who, count in enumerate(counts):
        assert [number for sender_, number in got if sender_ == who] == list(range(count))


async def test_s4_a_stop_overtakes_messages() -> None:
    box = Mailbox[int](8)
    box.put_nowait(1)
    box.stop()
    with pytest.raises(Stopped):
        await box.get()


async def test_s4_a_stop_wakes_the_receiver() -> None:
    box = Mailbox[int](8)
    async with trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(Stopped):
                await box.get()

        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        box.stop()


async def test_s5_what_is_left_can_be_worked_off() -> None:
    box = Mailbox[int](8)
    for number in (1, 2):
        box.put_nowait(number)
    box.stop()
    box.put_nowait(3)
    assert await box.get(while_stopping=True) == 1
    assert [box.get_nowait(), box.get_nowait()] == [2, 3]
    with pytest.raises(trio.WouldBlock):
        box.get_nowait()


async def test_s6_a_busy_receiver_notices_a_cancel() -> None:
    box = Mailbox[int](100)
    for number in range(100):
        box.put_nowait(number)
    taken = 0
    with trio.CancelScope() as scope:
        scope.cancel()
        for _ in range(100):
            await box.get()
            taken += 1
    assert scope.cancelled_caught
    assert taken <= 32


async def test_s7_one_task_receives() -> None:
    box = Mailbox[int](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.get)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await box.get()
        box.put_nowait(1)


async def test_s8_a_cancelled_receive_loses_nothing() -> None:
    box = Mailbox[int](4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.get)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    box.put_nowait(1)
    assert await box.get() == 1


async def test_s8_a_cancelled_put_sends_nothing() -> None:
    box = Mailbox[int](1)
    box.put_nowait(0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.put, 1)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert box.statistics().senders_waiting == 0
    assert await box.get() == 0
    with pytest.raises(trio.WouldBlock):
        box.get_nowait()


async def test_s8_message_and_cancel_in_one_step_lose_nothing() -> None:
    box = Mailbox[int](4)
    got: list[int] = []

    async def receive() -> None:
        got.append(await box.get())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        box.put_nowait(1)
        nursery.cancel_scope.cancel()
    assert len(got) + box.statistics().depth == 1


async def test_s9_what_waits_at_the_end_is_dropped_and_counted() -> None:
    box = Mailbox[int](2, owner="bob")
    box.put_nowait(1)
    box.put_nowait(2)
    async with trio.open_nursery() as nursery:

        async def late() -> None:
            with pytest.raises(ActorDied, match="bob"):
                await box.put(3)

        nursery.start_soon(late)
        await wait_all_tasks_blocked()
        box.close()
    assert box.statistics().dropped == 2
    with pytest.raises(ActorDied):
        box.put_nowait(4)
    with pytest.raises(ActorDied):
        await box.put(5)
