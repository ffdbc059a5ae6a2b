"""Register, ask for a job, run it, and leave."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from typing import Any

from .hub import Gone, Hub, Taken, Unreachable, read_blob
from .job import Job, Stopped

_VARIABLE = "ACTIONS_RUNNER_INPUT_JITCONFIG"
_POLL_SECONDS = 50
_LEAVE_SECONDS = 3.0
# The last process that was this runner counts as online for a minute after it died.
_SESSION_TRIES, _SESSION_PAUSE = 15, 6.0


def main() -> int:
    """Do all of it; return what to exit with, which is 0 as with `run.sh`."""
    blob = os.environ.pop(_VARIABLE, "")
    parser = argparse.ArgumentParser(prog="runner", description="A stand-in for GitHub's runner.")
    parser.add_argument("--jitconfig", default=blob, help=f"else from {_VARIABLE}")
    parser.add_argument("--steps", choices=("act", "fake"), default="act")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        hub = Hub(read_blob(arguments.jitconfig)[0])
        _serve(hub, arguments.jitconfig, arguments.steps)
    except Gone as error:
        _say(f"deregistered: {error}")
    except (Taken, Unreachable, ValueError) as error:
        _say(str(error))
    except Stopped:
        _say("stopped")
    return 0


def _serve(hub: Hub, blob: str, steps: str) -> None:
    made = _register(hub, blob)
    hub.session = made["session"]
    _say("online as {name}".format(**made))
    try:
        order: dict[str, Any] = {}
        while not order:
            order = hub.ask("GET", f"message?wait={_POLL_SECONDS}", wait=_POLL_SECONDS)
    except Stopped:
        hub.patience = _LEAVE_SECONDS
        hub.ask("DELETE", "session")
        raise
    _say("runs {name}".format(**order))
    _say(f"{order['name']}: {Job(hub, order, steps).run()}")


def _register(hub: Hub, blob: str) -> dict[str, Any]:
    for _ in range(_SESSION_TRIES):
        try:
            return hub.ask("POST", "register", {"encoded_jit_config": blob})
        except Taken:
            time.sleep(_SESSION_PAUSE)
    raise Taken("another process stays online as this runner")


def _stop(*_: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise Stopped


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # At once: the heartbeat's thread waits for an answer that nobody wants any more.
    os._exit(main())
