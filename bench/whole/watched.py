"""`python -m bench.whole.watched serve …`: a node whose loop is watched from within.

A task asks for nothing but to wake every 2 ms. How late it wakes, by the clock and by the thread's
own processor time, is how long the loop was held; neighbours of the machine show in the first
alone. Every second the file that BENCH_STALLS names says what was seen since SIGUSR1 came last.
"""

import gc
import json
import os
import signal
import sys
from pathlib import Path
from time import perf_counter, thread_time

import trio

from runnerhub.adapters.data_folder import DataFolder
from runnerhub.cli import main
from runnerhub.config import Settings
from runnerhub.runtime import Bridge
from runnerhub.service import run

TICK_SECONDS = 0.002
WRITE_SECONDS = 1.0


class Watch:
    """What was seen of one loop. All times in seconds."""

    def __init__(self) -> None:
        self.ticks = 0
        self.late = self.held = self.collecting = 0.0
        self.held_over_50ms = self.late_over_50ms = 0
        self._pass_began = 0.0
        self._collected = 0.0

    def collects(self, phase: str, _: dict[str, int]) -> None:
        """Take note of a pass of the garbage collector."""
        if phase == "start":
            self._pass_began = thread_time()
        else:
            passed = thread_time() - self._pass_began
            self.collecting = max(self.collecting, passed)
            self._collected += passed

    async def run(self, path: Path) -> None:
        """Watch until cancelled."""
        written, clock, cpu = 0.0, perf_counter(), thread_time()
        while True:
            await trio.sleep(TICK_SECONDS)
            now, used = perf_counter(), thread_time()
            self._note(now - clock - TICK_SECONDS, used - cpu)
            clock, cpu = now, used
            if now - written > WRITE_SECONDS:
                self._write(path)
                written = now

    def _write(self, path: Path) -> None:
        path.write_text(json.dumps({k: v for k, v in vars(self).items() if k[0] != "_"}))

    def _note(self, late: float, held: float) -> None:
        self.ticks += 1
        self.late, self.held = max(self.late, late), max(self.held, held)
        self.late_over_50ms += late > 0.05
        self.held_over_50ms += held > 0.05


async def _serve(bridge: Bridge, settings: Settings, folder: DataFolder) -> None:
    watch = Watch()
    gc.callbacks.append(watch.collects)
    signal.signal(signal.SIGUSR1, lambda *_: watch.__init__())  # type: ignore[misc]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run, Path(os.environ["BENCH_STALLS"]))
        await _SERVE(bridge, settings, folder)
        nursery.cancel_scope.cancel()


_SERVE = run._serve  # noqa: SLF001 - that is what is watched

if __name__ == "__main__":
    run._serve = _serve  # noqa: SLF001
    sys.argv[0] = "runnerhub"
    main()
