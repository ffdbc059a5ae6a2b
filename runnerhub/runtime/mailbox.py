"""A bounded mailbox with one receiver, many senders and a lane for stops.

A deque and trio's own parking are behind it, not a memory channel: that is several times as
fast, and a stop can overtake the messages. Everything here runs in trio's thread; `put_nowait`
and `stop` may also be called by the host loop of a guest run, which shares that thread.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

import trio
from trio.lowlevel import Abort, RaiseCancelT, Task, current_task, reschedule

from runnerhub.runtime.errors import ActorDied, MailboxFull, Stopped

M = TypeVar("M")

# Every receive that is a checkpoint costs a turn of trio's scheduler, ten times the rest of it.
_RECEIVES_BETWEEN_CHECKPOINTS = 31

# What every empty mailbox holds, for an empty deque takes 760 bytes. Nothing can be put in.
_NOTHING: deque[Any] = deque(maxlen=0)


@dataclass(frozen=True, slots=True)
class MailboxStatistics:
    """How full a mailbox is, and what has passed through it."""

    depth: int
    capacity: int
    senders_waiting: int
    received: int
    refused: int
    dropped: int


class Reader(Protocol):
    """Is told of each message that the receiver takes."""

    def took(self, message: Any) -> None:  # noqa: ANN401 - it takes every mailbox's messages
        """Note that the receiver has it now."""


class Mailbox(Generic[M]):
    """Hold at most `capacity` messages for one receiver.

    Attributes:
        owner: who receives, for messages to people.
        reader: is told of each message that is taken.
        stop_asked: whether the receiver was asked to stop.
    """

    __slots__ = (
        "_capacity",
        "_closed",
        "_dropped",
        "_messages",
        "_received",
        "_receiver",
        "_receives_left",
        "_refused",
        "_senders",
        "_stopping",
        "owner",
        "reader",
        "stop_asked",
    )

    def __init__(self, capacity: int, owner: str = "an actor") -> None:
        if capacity < 1:
            message = f"a mailbox holds at least one message, not {capacity}"
            raise ValueError(message)
        self.owner = owner
        self.reader: Reader | None = None
        self.stop_asked = False
        self._stopping: trio.Event | None = None
        self._capacity = capacity
        self._messages: deque[M] = _NOTHING
        self._senders: OrderedDict[Task, M] | None = None
        self._receiver: Task | None = None
        self._receives_left = _RECEIVES_BETWEEN_CHECKPOINTS
        self._closed = False
        self._received = self._refused = self._dropped = 0

    @property
    def stopping(self) -> trio.Event:
        """Set when the receiver is asked to stop. Made when somebody wants to wait for it."""
        if self._stopping is None:
            self._stopping = trio.Event()
            if self.stop_asked:
                self._stopping.set()
        return self._stopping

    def put_nowait(self, message: M) -> None:
        """Add a message at the end.

        Raises:
            MailboxFull: there is no room.
            ActorDied: the mailbox is closed.
        """
        if self._closed:
            raise ActorDied(f"{self.owner} has ended")
        if len(self._messages) >= self._capacity:
            self._refused += 1
            raise MailboxFull(f"{self.owner} has {self._capacity} messages waiting already")
        if self._messages is _NOTHING:
            self._messages = deque()
        self._messages.append(message)
        if self._receiver is not None:
            self._wake(self._receiver)

    async def put(self, message: M) -> None:
        """Add a message at the end as soon as there is room, in the order of arrival.

        A checkpoint. If it is cancelled while it waits, nothing was sent.

        Raises:
            ActorDied: the mailbox is closed, or was closed meanwhile.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._closed or len(self._messages) < self._capacity:
            self.put_nowait(message)
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        task = current_task()
        senders = self._senders = OrderedDict() if self._senders is None else self._senders
        senders[task] = message

        def leave(_: RaiseCancelT) -> Abort:
            del senders[task]
            return Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)
        if self._closed:
            raise ActorDied(f"{self.owner} ended before it had room for the message")

    async def get(self, *, while_stopping: bool = False, at_stop: type[Exception] = Stopped) -> M:
        """Take the oldest message, waiting for one.

        At least one call in 32 is a checkpoint. Cancelling it loses no message.

        Args:
            while_stopping: go on after a stop, to work off what is left.
            at_stop: what to raise instead of `Stopped`.

        Raises:
            Stopped: the actor was asked to stop.
        """
        if self._receiver is not None:
            raise trio.BusyResourceError(f"{self.owner} is receiving in another task already")
        if not self._receives_left:
            await trio.lowlevel.checkpoint()
            self._receives_left = _RECEIVES_BETWEEN_CHECKPOINTS
        while True:
            if self.stop_asked and not while_stopping:
                raise at_stop(f"{self.owner} was asked to stop")
            if self._messages:
                self._receives_left -= 1
                return self._take()
            self._messages = _NOTHING
            self._receiver = current_task()
            await trio.lowlevel.wait_task_rescheduled(self._leave)
            self._receives_left = _RECEIVES_BETWEEN_CHECKPOINTS

    def get_nowait(self) -> M:
        """Take the oldest message, also after a stop.

        Raises:
            trio.WouldBlock: there is none.
        """
        if not self._messages:
            raise trio.WouldBlock
        return self._take()

    def stop(self) -> None:
        """Ask the receiver to stop, ahead of every message that waits."""
        self.stop_asked = True
        if self._stopping is not None:
            self._stopping.set()
        if self._receiver is not None:
            self._wake(self._receiver)

    def close(self) -> None:
        """Refuse everything from now on, drop what waits and release waiting senders."""
        self._closed = True
        self._dropped += len(self._messages)
        self._messages.clear()
        while self._senders:
            sender, _ = self._senders.popitem(last=False)
            reschedule(sender)

    @property
    def received(self) -> int:
        """How many messages were taken."""
        return self._received

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    def peek(self, limit: int) -> tuple[M, ...]:
        """Return the oldest messages, at most so many; they go on waiting."""
        return tuple(islice(self._messages, limit))

    def statistics(self) -> MailboxStatistics:
        """Return how full it is now and what has passed through it."""
        return MailboxStatistics(
            depth=len(self._messages),
            capacity=self._capacity,
            senders_waiting=len(self._senders or ()),
            received=self._received,
            refused=self._refused,
            dropped=self._dropped,
        )

    def _take(self) -> M:
        message = self._messages.popleft()
        self._received += 1
        if self._senders:
            # The room goes straight to who has waited longest, so that no newcomer takes it.
            sender, waiting = self._senders.popitem(last=False)
            self._messages.append(waiting)
            reschedule(sender)
        if self.reader is not None:
            self.reader.took(message)
        return message

    def _leave(self, _: RaiseCancelT) -> Abort:
        self._receiver = None
        return Abort.SUCCEEDED

    def _wake(self, receiver: Task) -> None:
        self._receiver = None
        reschedule(receiver)
