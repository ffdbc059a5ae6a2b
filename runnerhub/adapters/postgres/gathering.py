"""Look-ups that are made together: all that were asked for while the last one was under way.

    asked ──▶ ┌ the next look-up ┐ ──when the last has ended──▶ one statement ──▶ each its own

A lone question goes out at once. Under load a statement, a connection and a crossing of the bridge
are shared by all who ask, where each of them costs more than the answer.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from runnerhub.ports.errors import LedgerUnavailable
from runnerhub.runtime.bridge import Bridge
from runnerhub.runtime.ref import ReplyTo

if TYPE_CHECKING:
    import asyncio

K = TypeVar("K")
V = TypeVar("V")


class Gathering(Generic[K, V]):
    """Find values by their keys.

    Args:
        bridge: to the loop that the look-ups run on.
        look_up: an asyncio function that returns what there is of some keys. It is bounded.
    """

    def __init__(
        self, bridge: Bridge, look_up: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]
    ) -> None:
        self._bridge = bridge
        self._look_up = look_up
        self._asked: dict[K, list[ReplyTo[V | None]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """Return the value of a key as it is now or later; None when there is none.

        Cancelling it leaves the look-up to the others. Raises what the look-up raises.
        """
        reply: ReplyTo[V | None] = ReplyTo()
        self._asked.setdefault(key, []).append(reply)
        if self._task is None:
            self._task = self._bridge.start_task(self._work())
        return await reply.wait()

    async def close(self) -> None:
        """End a look-up that is under way; who waits for it is told. Harmless when repeated."""
        if self._task is not None:
            await self._bridge.end_task(self._task)

    async def _work(self) -> None:
        asked: dict[K, list[ReplyTo[V | None]]] = {}
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                await self._answer(asked)
        finally:
            self._task = None
            left, self._asked = [asked, self._asked], {}
            for reply in (reply for each in left for replies in each.values() for reply in replies):
                reply.fail(LedgerUnavailable("the ledger was closed"))  # none is left but then

    async def _answer(self, asked: Mapping[K, Collection[ReplyTo[V | None]]]) -> None:
        try:
            found = await self._look_up(asked.keys())
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked
            for replies in asked.values():
                for reply in replies:
                    reply.fail(error)
        else:
            for key, replies in asked.items():
                value = found.get(key)
                for reply in replies:
                    reply.send(value)
