"""What an actor is: `async def actor(ctx: ActorContext[M])`, or an object with such a method.

    async def counter(ctx: ActorContext[Add | Read]) -> None:
        total = 0
        ctx.started()
        async for message in ctx:
            match message:
                case Add(amount):
                    total += amount
                case Read(reply_to):
                    reply_to.send(total)

It ends by returning, and crashes by raising. Its state lives in the function, so that a restart
begins anew. It may open nurseries of its own.
"""

from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runnerhub.runtime.mailbox import Mailbox
from runnerhub.runtime.ref import ActorRef
from runnerhub.runtime.registry import Registry

if TYPE_CHECKING:
    import trio

    from runnerhub.runtime.supervisor import Supervisor

M = TypeVar("M")


class ActorContext(Generic[M]):
    """What one life of an actor may use: its mailbox, its name, and the registry of the tree."""

    __slots__ = (
        "_counters",
        "_handling_since",
        "_mailbox",
        "_on_started",
        "ref",
        "registry",
        "supervisor",
    )

    def __init__(
        self,
        ref: ActorRef[M],
        mailbox: Mailbox[M],
        registry: Registry,
        on_started: Callable[[object], None],
    ) -> None:
        self.ref = ref
        self.registry = registry
        self.supervisor: Supervisor | None = None  # a supervisor sets it to itself
        self._mailbox = mailbox
        mailbox.reader = self
        self._on_started: Callable[[object], None] | None = on_started
        self._counters = registry.telemetry.of(ref.kind)
        self._handling_since: float | None = None

    @property
    def name(self) -> str:
        """The actor's name."""
        return self.ref.name

    @property
    def stopping(self) -> "trio.Event":
        """Set when the actor is asked to stop, for those that wait for something else too."""
        return self._mailbox.stopping

    def started(self, value: object = None) -> None:
        """Tell whoever starts the actor that it is ready. Only the first call counts.

        Until then it is cancelled with whoever starts it, and a failure is that one's failure.

        Args:
            value: for whoever starts the actor, as `started_with` of its ref.
        """
        if self._on_started is not None:
            on_started, self._on_started = self._on_started, None
            on_started(value)

    def stop(self) -> None:
        """Ask this actor itself to stop."""
        self._mailbox.stop()

    # An idle actor is a task that waits below its receive: each coroutine between the two costs
    # 216 bytes, and time for every message. So these hand on the mailbox's own coroutine.

    def receive(self, *, while_stopping: bool = False) -> Coroutine[Any, Any, M]:
        """Take the next message, waiting for one. The first call also says `started`.

        At least one call in 32 is a checkpoint. Cancelling it loses no message.

        Args:
            while_stopping: go on after a stop, to work off what is left.

        Raises:
            Stopped: the actor was asked to stop.
        """
        self._begin_receive()
        return self._mailbox.get(while_stopping=while_stopping)

    def receive_nowait(self) -> M:
        """Take the next message, also after a stop.

        Raises:
            trio.WouldBlock: there is none.
        """
        self.count_handled()
        return self._mailbox.get_nowait()

    def __aiter__(self) -> "ActorContext[M]":
        return self

    def __anext__(self) -> Coroutine[Any, Any, M]:
        self._begin_receive()
        return self._mailbox.get(at_stop=StopAsyncIteration)

    def took(self, message: M) -> None:
        """Begin the time of a message. The mailbox calls it."""
        if self.ref.tap is not None:
            self.ref.tap.took(message)
        self._handling_since = perf_counter()

    def _begin_receive(self) -> None:
        if self._handling_since is not None:
            self.count_handled()
        if self._on_started is not None:
            self.started()

    def count_handled(self) -> None:
        """Count the message received last as handled; its time ends now."""
        if self._handling_since is not None:
            spent = perf_counter() - self._handling_since
            self._handling_since = None
            self._counters.handled(spent)
            self.ref.handling_seconds += spent
            if self.ref.tap is not None:
                self.ref.tap.handled(spent)
