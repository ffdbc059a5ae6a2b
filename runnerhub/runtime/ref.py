"""`ActorRef`: the handle of one life of an actor, and the only way to speak to it.

A ref belongs to a life. When the life ends the ref stays behind and says so: every tell and ask
raises `ActorDied`, and `down` tells how it ended. Who wants to speak to whoever bears a name
now resolves the name for every send (`Registry.ref`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio
from trio.lowlevel import Abort, RaiseCancelT, Task, current_task, reschedule

from runnerhub.runtime.errors import ActorDied, AskTimeout
from runnerhub.runtime.mailbox import Mailbox, MailboxStatistics
from runnerhub.runtime.monitor import Down
from runnerhub.runtime.timekeeper import TimeUp, timekeeper

if TYPE_CHECKING:
    from runnerhub.runtime.recording import Tap

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


class ReplyTo(Generic[R]):
    """Where the answer to one `ask` goes. The first answer counts."""

    __slots__ = ("_answer", "_answered", "_asker", "_error")

    def __init__(self) -> None:
        self._answer: R
        self._answered = False
        self._error: Exception | None = None
        self._asker: Task | None = None

    def send(self, answer: R) -> None:
        """Answer. Does nothing when it was answered before, or the asker has left."""
        if not self._answered:
            self._answered = True
            self._answer = answer
            if self._asker is not None:
                reschedule(self._asker)

    def fail(self, error: Exception) -> None:
        """Raise an error in the asker, under the same conditions."""
        if not self._answered:
            self._answered = True
            self._error = error
            if self._asker is not None:
                reschedule(self._asker)

    async def wait(self) -> R:
        """Wait for the answer, or raise the error. A checkpoint, and for one task, once."""
        self._asker = current_task()
        if self._answered:
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_task_rescheduled(self._leave)
        if self._error is not None:
            raise self._error
        return self._answer

    def _leave(self, _: RaiseCancelT) -> Abort:
        self._answered = True  # what comes now comes too late
        return Abort.SUCCEEDED


class ActorRef(Generic[M_contra]):
    """Speak to one life of an actor."""

    __slots__ = (
        "_asks",
        "_mailbox",
        "_watchers",
        "down",
        "handling_seconds",
        "kind",
        "name",
        "on_end",
        "started_with",
        "tap",
    )

    def __init__(self, name: str, kind: str, mailbox: Mailbox[M_contra]) -> None:
        self.name = name
        self.kind = kind
        self.down: Down | None = None
        self.started_with: object = None
        self.handling_seconds = 0.0
        self.tap: Tap | None = None
        self._mailbox = mailbox
        self.on_end: Callable[[Down], None] | None = None  # frees the name
        self._asks: set[ReplyTo[Any]] | None = None
        self._watchers: dict[object, Callable[[Down], None]] | None = None

    def __repr__(self) -> str:
        return f"<ActorRef {self.name} ({self.kind}){'' if self.alive else ' ended'}>"

    @property
    def alive(self) -> bool:
        """Whether the life still lasts."""
        return self.down is None

    def tell(self, message: M_contra) -> None:
        """Send a message without waiting.

        Raises:
            MailboxFull: the actor has no room.
            ActorDied: the actor has ended.
        """
        self._mailbox.put_nowait(message)

    async def tell_wait(self, message: M_contra) -> None:
        """Send a message as soon as there is room.

        A checkpoint. If it is cancelled while it waits, nothing was sent.

        Raises:
            ActorDied: the actor has ended, or ended meanwhile.
        """
        await self._mailbox.put(message)

    async def ask(
        self,
        make_message: Callable[[ReplyTo[R]], M_contra],
        timeout: float,  # noqa: ASYNC109 - a bound that no caller can forget
    ) -> R:
        """Send a message that carries a `ReplyTo`, and wait for the answer.

        A checkpoint. If it is cancelled, the actor may still act on the message; its answer is
        dropped. Ask downwards only: two actors that ask each other wait for their timeouts.

        Args:
            make_message: builds the message around the `ReplyTo`.
            timeout: seconds to wait for the answer.

        Raises:
            AskTimeout: no answer in time.
            MailboxFull: the actor has no room.
            ActorDied: the actor has ended, or ended before it answered.
        """
        reply: ReplyTo[R] = ReplyTo()
        self._mailbox.put_nowait(make_message(reply))
        keeper = timekeeper()
        keeper.add(reply, timeout)
        asks = self._asks = set() if self._asks is None else self._asks
        asks.add(reply)
        try:
            return await reply.wait()
        except TimeUp:
            raise AskTimeout(f"{self.name} did not answer within {timeout:g} s") from None
        finally:
            asks.discard(reply)
            if not asks:
                self._asks = None
            keeper.discard(reply, timeout)

    @property
    def received(self) -> int:
        """How many messages the actor has taken."""
        return self._mailbox.received

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return self._mailbox.waiting

    def peek(self, limit: int) -> tuple[object, ...]:
        """Return the oldest messages that wait, at most so many; they go on waiting."""
        return self._mailbox.peek(limit)

    def statistics(self) -> MailboxStatistics:
        """Return how full the mailbox is and what has passed through it."""
        return self._mailbox.statistics()

    def on_down(self, callback: Callable[[Down], None]) -> Callable[[], None]:
        """Call back, without awaiting, when the life ends; return what withdraws this."""
        key = object()
        watchers = self._watchers = {} if self._watchers is None else self._watchers
        watchers[key] = callback
        return lambda: watchers.pop(key, None) and None

    def end(self, down: Down) -> None:
        """Close the mailbox, release askers and tell watchers. Only the life itself does this."""
        self.down = down
        self._mailbox.close()
        for reply in tuple(self._asks or ()):
            reply.fail(ActorDied(f"{self.name} ended ({down.reason}) before it answered"))
        if self.on_end is not None:
            self.on_end(down)
        if self._watchers is not None:
            watchers = tuple(self._watchers.values())
            self._watchers.clear()
            for told in watchers:
                told(down)
