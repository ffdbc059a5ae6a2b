"""SIGINT and SIGTERM: the first asks for a stop, the second hurries.

The task that owns the signals stands at the root, around the tree: were it inside, it would
fall with what it is to end. It works under `trio.run` and in guest mode alike.
"""

import signal
from collections.abc import Awaitable, Callable

import trio

from runnerhub.runtime.root import Root


class Shutdown:
    """What the operating system has asked for so far.

    Attributes:
        requested: set by the first signal.
        hurry: set by the second.
        signal: the first one; None before it.
    """

    def __init__(self) -> None:
        self.requested = trio.Event()
        self.hurry = trio.Event()
        self.signal: signal.Signals | None = None

    def notice(self, number: int) -> None:
        """Take note of a signal."""
        if self.signal is None:
            self.signal = signal.Signals(number)
            self.requested.set()
        else:
            self.hurry.set()

    async def listen(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Own the signals until cancelled. In Python's main thread only."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as numbers:
            task_status.started()
            async for number in numbers:
                self.notice(number)


async def run_until_signal(
    root: Root,
    shutdown: Shutdown | None = None,
    *,
    on_request: Callable[[], Awaitable[None]] | None = None,
) -> signal.Signals | None:
    """Run a tree until it ends by itself or is told to by a signal.

    Cancelling it cancels the whole tree at once, as does the second signal.

    Args:
        root: the tree.
        shutdown: where actors can read what was asked for; a new one if None.
        on_request: what to do at the first signal, before the tree is asked to stop.

    Returns:
        The signal that asked for the stop; None if the tree ended by itself.

    Raises:
        Exception: what the tree crashed of.
    """
    shutdown = shutdown or Shutdown()
    failure: Exception | None = None

    async def stop_in_order() -> None:
        await shutdown.requested.wait()
        if on_request is not None:
            await on_request()
        root.stop()

    async def stop_at_once(nursery: trio.Nursery) -> None:
        await shutdown.hurry.wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        await nursery.start(shutdown.listen)
        nursery.start_soon(stop_in_order)
        nursery.start_soon(stop_at_once, nursery)
        try:
            await root.run()
        except Exception as error:  # noqa: BLE001 - raised below, outside the nursery's group
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return shutdown.signal
