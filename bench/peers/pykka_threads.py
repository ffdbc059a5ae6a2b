"""Pykka: an actor is a thread. Its mailbox has no bound."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pykka


class _Answerer(pykka.ThreadingActor):
    def on_receive(self, message: Any) -> int:  # noqa: ANN401, ARG002 - pykka's own signature
        return 1


def tells(count: int) -> None:
    """Tell, then ask once, so that all has been received."""
    ref = _Answerer.start()
    for _ in range(count):
        ref.tell(None)
    ref.ask(None)
    ref.stop()


def asks(count: int, askers: int) -> None:
    """Ask, from as many threads as there are askers."""
    ref = _Answerer.start()

    def asker() -> None:
        for _ in range(count // askers):
            ref.ask(None, timeout=5.0)

    with ThreadPoolExecutor(askers) as pool:
        for done in [pool.submit(asker) for _ in range(askers)]:
            done.result()
    ref.stop()
