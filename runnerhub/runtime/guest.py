"""Start trio as a guest of an asyncio loop, and leave nothing behind.

Two rules about Ctrl-C. A guest run must never be abandoned, for none of its `finally` blocks
would run: whatever interrupts the host loop cancels the guest and waits for it. And who wants a
graceful stop owns the signals (`shutdown.py`); without that, trio's own handler raises
KeyboardInterrupt in the main task, as it does under `trio.run`.
"""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple, Unpack

import outcome
import trio

from runnerhub.runtime.bridge import GRACE_SECONDS, Bridge
from runnerhub.runtime.ticks import Ticks

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# What a library has begun to close may end by itself before it is called a leftover.
_SETTLE_SECONDS = 0.1


def run_guest(
    main: Callable[[Bridge, Unpack[Ts]], Awaitable[T]],
    *args: *Ts,
    use_uvloop: bool | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> T:
    """Run `main(bridge, *args)` under trio, as a guest of a new asyncio loop.

    Args:
        main: the async function to run.
        args: what it gets after the bridge.
        use_uvloop: whether uvloop is the host; None means: if it is installed.
        grace_seconds: how long cancelled calls, and leftovers at the end, have to end.

    Returns:
        What `main` returns.

    Raises:
        BaseException: what `main` raises, or what interrupted the host loop.
    """
    loop, is_uvloop = _new_loop(use_uvloop)
    bridge = Bridge(loop, grace_seconds=grace_seconds)
    scope = trio.CancelScope()

    async def guest() -> T:
        with scope:
            return await main(bridge, *args)
        raise KeyboardInterrupt

    async def host() -> outcome.Outcome[T]:
        done: asyncio.Future[outcome.Outcome[T]] = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            run_sync_soon_not_threadsafe=Ticks(loop).soon,
            done_callback=done.set_result,
            host_uses_signal_set_wakeup_fd=is_uvloop,
        )
        return await done

    try:
        running = loop.create_task(host())
        try:
            result = loop.run_until_complete(running)
        except (KeyboardInterrupt, SystemExit):
            # Raised inside an asyncio task or callback, it stopped the loop, not the guest.
            scope.cancel()
            loop.run_until_complete(running)
            raise
        finally:
            bridge.close()
        return result.unwrap()
    finally:
        try:
            _end_leftovers(loop, grace_seconds)
        finally:
            loop.close()


def _new_loop(use_uvloop: bool | None) -> tuple[asyncio.AbstractEventLoop, bool]:  # noqa: FBT001
    if use_uvloop is not False:
        try:
            import uvloop
        except ImportError:
            if use_uvloop:
                raise
        else:
            return uvloop.new_event_loop(), True
    return asyncio.new_event_loop(), False


def _end_leftovers(loop: asyncio.AbstractEventLoop, grace_seconds: float) -> None:
    pending = asyncio.all_tasks(loop)
    if pending:
        _, pending = loop.run_until_complete(asyncio.wait(pending, timeout=_SETTLE_SECONDS))
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.wait(pending, timeout=grace_seconds))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    if pending:
        names = ", ".join(sorted(repr(task.get_coro()) for task in pending))
        warnings.warn(f"asyncio tasks outlived the guest: {names}", ResourceWarning, stacklevel=3)
